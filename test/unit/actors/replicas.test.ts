import { defer, lastValueFrom, of } from 'rxjs';
import { expect, test } from 'vitest';
import { Replicas } from '../../../actors/replicas.ts';
import type { Backend } from '../../../engine/backend/backend.ts';
import { capturingLogger } from '../../simulation/support/log-capture.ts';

const PROFILED = { batch: [1, 8], ms: [1, 20] };

/** @param computeMs by batch size and the how-manieth run of it; @returns what is warned of while a replica is made ready. */
async function warnings(computeMs: (size: number, run: number) => number): Promise<string[]> {
  const runs = new Map<number, number>();
  const backend: Backend = {
    emulated: false,
    load: () => of({ inputs: [], outputs: [] }),
    unload: () => of(),
    close: async () => undefined,
    run: (_, { length }) =>
      defer(() => {
        runs.set(length, (runs.get(length) ?? 0) + 1);
        const ms = computeMs(length, runs.get(length)!);
        return of({ scores: new Float32Array(length), classes: 1, certainty: undefined, computeMs: ms });
      }),
  };
  const warned: string[] = [];
  const log = capturingLogger(true, ({ level, text }) => level === 'warn' && warned.push(text));
  const options = { device: 'd0', models: ['small'], specs: [], files: [{ name: 'small', file: 'small' }], profiled: [PROFILED] };
  const replicas = new Replicas({ ...options, memoryBytes: 1, replicaBytes: [1] }, backend, log);
  await lastValueFrom(replicas.load([0]), { defaultValue: undefined });
  expect(replicas.ready).toEqual([0]);
  expect([...runs]).toEqual([
    [1, 2],
    [8, 2],
  ]);
  return warned;
}

const profiledMs = (size: number): number => PROFILED.ms[PROFILED.batch.indexOf(size)];

test('a replica as fast as profiled is no reason for a warning, whatever its first run of a size took', async () => {
  expect(await warnings((size, run) => (run === 1 ? 100 : 1.9) * profiledMs(size))).toEqual([]);
});

test('a replica whose batches occupy the inference thread for more than twice the profiled time is warned of', async () => {
  const warned = await warnings((size) => (size === 8 ? 41 : 1));
  expect(warned).toHaveLength(1);
  expect(warned[0]).toContain('slower than profiled');
});

test('a few milliseconds say nothing', async () => {
  expect(await warnings((size) => (size === 1 ? 4.9 : 20))).toEqual([]);
});
