import { defer, lastValueFrom, of } from 'rxjs';
import { expect, test } from 'vitest';
import { Replicas } from '../../../../actors/device/replicas.ts';
import type { Backend, BatchOutput } from '../../../../engine/backend/backend.ts';
import { CascadeError } from '../../../../engine/errors.ts';
import type { Sample } from '../../../../engine/tensor/tensor.ts';
import { compilePlan } from '../../../../plans/policy/compiled-plan.ts';
import { capturingLogger } from '../../../simulation/support/log-capture.ts';
import { planOf } from '../../../support/plans.ts';
import { testWeights } from '../../../support/test-weights.ts';

const PROFILED = { batch: [1, 8], ms: [1, 20] };
const TYPICAL: Sample = [{ data: Uint8Array.of(1, 2), shape: [2] }];
const LARGEST: Sample = [{ data: Uint8Array.of(1, 2, 3), shape: [3] }];

/**
 * Makes a replica ready.
 * @param computeMs by batch size and the number of the run with that size.
 */
async function load(computeMs: (batch: readonly Sample[], run: number) => number) {
  const runs: (readonly Sample[])[] = [];
  const unloaded: string[] = [];
  const backend: Backend = {
    emulated: false,
    load: () => of({ inputs: [], outputs: [] }),
    unload: (key) =>
      defer(() => {
        unloaded.push(key);
        return of();
      }),
    close: async () => undefined,
    run: (_, batch) =>
      defer(() => {
        runs.push(batch);
        const ms = computeMs(batch, runs.filter(({ length }) => length === batch.length).length);
        const output: BatchOutput = { scores: new Float32Array(batch.length), classes: 1, auxiliary: undefined, computeMs: ms };
        return of(output);
      }),
  };
  const warned: string[] = [];
  const log = capturingLogger(true, ({ level, text }) => level === 'warn' && warned.push(text));
  const options = {
    device: 'd0',
    warmUp: [TYPICAL, LARGEST],
    memoryBytes: 1,
  };
  const weights = testWeights(() => 1, { profiled: [PROFILED] })(compilePlan(planOf({ models: ['small'] })));
  const replicas = new Replicas(options, backend, log);
  const done = lastValueFrom(replicas.load(weights), { defaultValue: undefined });
  return { replicas, weights, done, runs, warned, unloaded };
}

const profiledMs = (batch: readonly Sample[]): number => PROFILED.ms[PROFILED.batch.indexOf(batch.length)];

test('a replica is ready when it has run a real sample at each profiled batch size, and the largest sample alone', async () => {
  const { replicas, weights, done, runs } = await load(profiledMs);
  await done;
  expect(replicas.ready).toEqual(weights);
  const eight = new Array<Sample>(8).fill(TYPICAL);
  expect(runs).toEqual([[TYPICAL], [TYPICAL], eight, eight, [LARGEST]]);
});

test('a replica as fast as profiled gives no warning, whatever its first run of a size took', async () => {
  const { done, warned } = await load((batch, run) => (run === 1 ? 100 : 1.9) * profiledMs(batch));
  await done;
  expect(warned).toEqual([]);
});

test('a replica whose batches occupy the inference thread for more than twice the profiled time gives a warning', async () => {
  const { done, warned } = await load((batch) => (batch.length === 8 ? 41 : 1));
  await done;
  expect(warned).toHaveLength(1);
  expect(warned[0]).toContain('slower than profiled');
});

test('a difference of a few milliseconds gives no warning', async () => {
  const { done, warned } = await load((batch) => (batch.length === 1 ? 4.9 : 20));
  await done;
  expect(warned).toEqual([]);
});

test('a model that cannot run is a configuration error that quotes the model', async () => {
  const { replicas, weights, done, unloaded } = await load(() => {
    throw new CascadeError('INTERNAL', 'model small: the kernel is wider than its input');
  });
  await expect(done).rejects.toMatchObject({
    name: 'ConfigError',
    message: expect.stringMatching(
      /^device d0 cannot run model small on .*: the kernel is wider than its input; run `cascade profile`/,
    ),
  });
  expect(replicas.ready).toEqual([]);
  // It would occupy memory that nobody counts.
  expect(unloaded).toEqual([weights[0].key]);
});

test('a backend that dies during warm-up is not blamed on the model', async () => {
  const dies = new CascadeError('UNAVAILABLE', 'the inference worker died');
  const { done } = await load(() => {
    throw dies;
  });
  await expect(done).rejects.toBe(dies);
});
