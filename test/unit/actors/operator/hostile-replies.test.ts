import { NEVER } from 'rxjs';
import { expect, onTestFinished, test, vi } from 'vitest';
import { requestStatus } from '../../../../actors/operator/ask-status.ts';
import { pinGear } from '../../../../actors/operator/pin-gear.ts';
import { pushPlan } from '../../../../actors/operator/push-plan.ts';
import { runProgram } from '../../../../actors/program.ts';
import type { Bus } from '../../../../engine/bus/bus.ts';

const HOSTILE = 'a\x1b[2Jb\nc';

/** A bus on which every request gets this reply. */
const answering = (reply: unknown) =>
  ({ request: async () => ({ data: Buffer.from(JSON.stringify(reply)) }), messages$: () => NEVER }) as unknown as Bus;

test('strings and names of a status are lines without control characters', async () => {
  const bus = answering({ devices: [{ host: HOSTILE, queues: { [HOSTILE]: 1 } }], revision: 1, durable: null });
  expect(await requestStatus(bus, { status: 's' })).toEqual({
    devices: [{ host: 'a [2Jb c', queues: { 'a [2Jb c': 1 } }],
    revision: 1,
    durable: null,
  });
});

test('verdicts have no control characters, except line breaks', async () => {
  const bus = answering({ accepted: false, reason: HOSTILE });
  const verdict = { accepted: false, reason: 'a [2Jb\nc' };
  const deployment = { name: 'd', prefix: 'cascade', prepareTimeoutMs: 1 };
  expect(await pushPlan(bus, deployment, { rollback: true })).toEqual(verdict);
  expect(await pinGear(bus, deployment, { gear: null })).toEqual(verdict);
});

test('the error that a command ends with has no control characters, whoever wrote it', async () => {
  const said: string[] = [];
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => said.push(String(text)) > 0);
  onTestFinished(() => {
    stderr.mockRestore();
    process.exitCode = undefined;
  });
  await runProgram(['status', `/tmp/${HOSTILE}`]);
  expect(said.join('')).toContain('a [2Jb\nc');
  expect(said.join('')).not.toContain('\x1b');
});
