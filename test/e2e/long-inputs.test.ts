import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type CascadeClient, connectCascade } from '../../actors/client/client.ts';
import { requestStatus } from '../../actors/operator/ask-status.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import type { Answer } from '../../plans/protocol/messages.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { tokens, writeAttentionFamily } from '../fixtures/attention-family.ts';
import { type Cascade, cascadeJson, startCascade } from '../support/cascade.ts';

/** One request of thousands of tokens among others of a few, for an attention model that was profiled on 3 to 30. */

const ORDINARY = 200;
const DEADLINE_MS = 120_000;

let server: NatsServer;
let folder: string;
let serving: Cascade;
let client: CascadeClient;

beforeAll(async () => {
  server = await startNatsServer({ jetstream: true });
});
afterAll(() => server?.stop());

afterEach(async () => {
  await client?.close();
  const end = await serving?.stop();
  rmSync(folder, { recursive: true });
  expect(end?.code, end?.stderr).toBe(0);
  // The device was not ended, and did not end by itself.
  expect(end?.stderr).not.toMatch(/the device hangs|actor died|ended with/);
});

/** @param more extra lines of the deployment. */
async function serve(more: string): Promise<void> {
  folder = mkdtempSync(join(tmpdir(), 'cascade-attention-'));
  writeAttentionFamily(folder, more);
  await cascadeJson(['profile', folder, '--quick']);
  await cascadeJson(['plan', folder]);
  serving = startCascade(['serve', folder, '--nats', server.url, '--log-level', 'warn']);
  await serving.firstLine;
  client = await connectCascade({ servers: server.url, deployment: 'attention' });
}

interface Course {
  readonly long: Answer;
  readonly stored: Answer;
  /** How many of the others were answered. */
  readonly answered: number;
  readonly devices: readonly unknown[];
}

/** Sends one long request, and stores another, among ordinary ones. */
async function ask(length: number): Promise<Course> {
  const before = await devices();
  const stored = firstValueFrom(client.results$());
  const half = (): Promise<unknown>[] =>
    Array.from({ length: ORDINARY / 2 }, (_, i) => client.infer({ ids: tokens(3 + (i % 28)) }, { deadlineMs: DEADLINE_MS }));
  const first = half();
  const long = firstValueFrom(client.inferMany([{ inputs: { ids: tokens(length) }, deadlineMs: DEADLINE_MS }]));
  await client.enqueue({ ids: tokens(length) });
  const others = await Promise.all([...first, ...half()]);
  const course = { long: await long, stored: await stored, answered: others.length, devices: await devices() };
  expect(course.devices).toEqual(before);
  return course;
}

/** The processes that run the devices. */
async function devices(): Promise<unknown[]> {
  const bus = await connectNats({ servers: [server.url], name: 'test' });
  try {
    const status = await requestStatus(bus, subjectsOf('attention'));
    return status.devices.map(({ device, incarnation }) => ({ device, incarnation }));
  } finally {
    await bus.close();
  }
}

test.each([12_000, 20_000])(
  'by default %d tokens are refused, with axis, length and limit, and other clients do not notice',
  async (length) => {
    await serve('');
    const { long, stored, answered } = await ask(length);
    const error = {
      code: 'INVALID_ARGUMENT',
      message: `inputs.ids has length ${length} in axis 0; at most 64 is accepted (inputs.ids.maxLength of the deployment)`,
    };
    expect(long).toMatchObject({ error });
    // At the first try: every try would end the same way.
    expect(stored).toMatchObject({ error });
    expect(answered).toBe(ORDINARY);
  },
);

test('if the deployment accepts them, they are answered however long that takes, and no device counts as hung', async () => {
  await serve('inputs: { ids: { maxLength: 8000 } }');
  const { long, stored, answered } = await ask(8_000);
  expect(long).toMatchObject({ model: 'attention', label: expect.any(Number) });
  expect(stored).toMatchObject({ model: 'attention', label: expect.any(Number) });
  expect(answered).toBe(ORDINARY);
});
