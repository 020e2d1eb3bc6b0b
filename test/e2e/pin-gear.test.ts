import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Status } from '../../actors/controller/status-report.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import type { PinVerdict } from '../../plans/protocol/pin-order.ts';
import { type Cascade, cascadeJson, runCascade, startCascade } from '../support/cascade.ts';
import { writeEmulatedPair } from '../support/emulated-pair.ts';
import { eventually } from '../support/eventually.ts';

/** An operator holds a gear of a running deployment with the commands. */
const folder = mkdtempSync(join(tmpdir(), 'cascade-pin-'));
let server: NatsServer;
let serving: Cascade;

beforeAll(async () => {
  server = await startNatsServer();
  await writeEmulatedPair(folder, { name: 'pin', nats: `{ servers: ["${server.url}"] }` });
  serving = startCascade(['serve', folder, '--log-level', 'warn']);
  await serving.firstLine;
}, 240_000);

afterAll(async () => {
  const end = await serving?.stop();
  await server?.stop();
  rmSync(folder, { recursive: true });
  expect(end?.code, end?.stderr).toBe(0);
});

const gearInForce = async () => (await cascadeJson<Status>(['status', folder])).gear;

test('a gear is held without any load, shown as held, and released', { timeout: 240_000 }, async () => {
  // Not the gear for no load, but the next one.
  const before = await eventually(async () => {
    const gear = await gearInForce();
    expect(gear).toMatchObject({ index: 0, pinned: null });
    return gear!;
  });
  const last = before.of - 1;
  expect(last).toBeGreaterThan(0);
  expect(await cascadeJson<PinVerdict>(['pin-gear', folder, String(last)])).toEqual({ accepted: true, gear: last, until: null });
  await eventually(async () => expect(await gearInForce()).toMatchObject({ index: last, pinned: { until: null } }));
  expect((await runCascade(['status', folder])).stdout).toContain('pinned by an operator until it is released');

  const beyond = await runCascade(['pin-gear', folder, String(before.of)]);
  expect(beyond).toMatchObject({
    code: 1,
    stderr: `INVALID_ARGUMENT: gear: ${before.of}; the gears in force are 0 to ${last}\n`,
  });
  expect(await runCascade(['pin-gear', folder, 'two'])).toMatchObject({ code: 2, stdout: '' });

  // On a busy machine, the controller may be too late to renew its lease for a moment.
  const unpinned = { code: 0, stdout: 'the load chooses the gear\n' };
  await eventually(async () => expect(await runCascade(['unpin-gear', folder])).toMatchObject(unpinned));
  await eventually(async () => expect(await gearInForce()).toMatchObject({ index: 0, pinned: null }));

  await cascadeJson<PinVerdict>(['pin-gear', folder, String(last), '--for', '1s']);
  const told = async (): Promise<readonly string[]> =>
    (await cascadeJson<Status>(['status', folder])).decisions.map(({ from, to, basis }) => `${from} to ${to} by ${basis.rule}`);
  // It has ended by itself, perhaps before anybody could look.
  await eventually(async () => expect((await told()).slice(0, 2)).toEqual([`${last} to 0 by load`, `0 to ${last} by pinned`]));
});
