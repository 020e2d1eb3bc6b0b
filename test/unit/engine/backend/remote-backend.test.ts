import { setImmediate } from 'node:timers/promises';
import { firstValueFrom } from 'rxjs';
import { describe, expect, test } from 'vitest';
import type { Backend } from '../../../../engine/backend/backend.ts';
import { createRemoteBackend } from '../../../../engine/backend/remote-backend.ts';
import { type OipClient, OipError } from '../../../../engine/oip/oip-client.ts';
import { VirtualClock } from '../../../doubles/virtual-clock.ts';

const SCORES = { name: 'scores', dtype: 'float32', shape: [1, 1], data: new Uint8Array(Float32Array.of(7).buffer) } as const;
const SAMPLE = [{ data: new Uint8Array(Float32Array.of(1).buffer), shape: [1] }];

/** A backend with model `m`, and its client, whose methods a test may replace. */
async function loaded(clock: VirtualClock, timeoutMs: number): Promise<{ on: Backend; client: OipClient }> {
  const client: OipClient = {
    serverName: async () => 'test',
    extensions: async () => [],
    requireReady: async () => undefined,
    metadata: async () => ({
      platform: '',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }],
      outputs: [{ name: 'scores', datatype: 'FP32', shape: [-1, 1] }],
    }),
    maxBatch: async () => undefined,
    infer: async () => [SCORES],
    close: () => undefined,
  };
  const specs = [{ name: 'x', dtype: 'float32', shape: [1] }] as const;
  const on = createRemoteBackend({ client, clock, url: 'http://test', inFlight: 1, timeoutMs, inputs: {}, specs });
  await firstValueFrom(on.load({ name: 'm', file: 'remote:m', remote: { name: 'm' } }));
  return { on, client };
}

/** Lets virtual time pass in small steps, with what each of them sets off. */
async function pass(clock: VirtualClock, untilMs: number): Promise<void> {
  await setImmediate();
  while (clock.now() < untilMs) {
    clock.runUntil(clock.now() + 10);
    await setImmediate();
  }
}

const busy = (retryAfterMs?: number) => new OipError('busy', 'too many requests', retryAfterMs);

describe('a busy server', () => {
  test.each([
    ['does not say when', undefined, 200, [0, 50, 100, 150, 200]],
    ['says at once', 0, 200, [0, 50, 100, 150, 200]],
    ['says never, with a negative time', -1, 200, [0, 50, 100, 150, 200]],
    ['says so', 120, 400, [0, 120, 240, 360]],
    ['says much later', 60_000, 3_000, [0, 1_000, 2_000, 3_000]],
  ])('is asked again, within limits, if it %s', async (_, retryAfterMs, timeoutMs, times) => {
    const clock = new VirtualClock();
    const { on, client } = await loaded(clock, timeoutMs);
    const asked: number[] = [];
    client.infer = async () => {
      asked.push(clock.now());
      throw busy(retryAfterMs);
    };
    const failed = expect(firstValueFrom(on.run('m', [SAMPLE]))).rejects.toThrow(`busy for ${timeoutMs} ms`);
    await pass(clock, timeoutMs);
    await failed;
    expect(asked).toEqual(times);
  });

  test('that is too busy to say whether it is ready is not lost; one that is not ready is', async () => {
    const clock = new VirtualClock();
    const { on, client } = await loaded(clock, 5_000);
    let polls = 0;
    let problem = busy();
    client.requireReady = async () => {
      polls++;
      throw problem;
    };
    let lost: unknown;
    on.lost$?.subscribe({ error: (error) => (lost = error) });
    await pass(clock, 1_500);
    expect([polls, lost]).toEqual([3, undefined]);
    problem = new OipError('unavailable', 'loading');
    await pass(clock, 2_000);
    expect(lost).toMatchObject({ code: 'UNAVAILABLE', message: 'loading' });
  });

  test('that fails on a batch while it is too busy to say whether it is ready counts as ready', async () => {
    const { on, client } = await loaded(new VirtualClock(), 5_000);
    await firstValueFrom(on.run('m', [SAMPLE]));
    client.infer = async () => {
      throw new OipError('failed', 'out of memory');
    };
    client.requireReady = async () => {
      throw busy();
    };
    await expect(firstValueFrom(on.run('m', [SAMPLE]))).rejects.toMatchObject({ code: 'INTERNAL' });
  });
});
