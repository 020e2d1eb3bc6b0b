import { NEVER, of, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { Backend } from '../../../../engine/backend/backend.ts';
import { CascadeError } from '../../../../engine/errors.ts';
import type { Sample } from '../../../../engine/tensor/tensor.ts';
import { runBatch } from '../../../../plans/profiling/run-batch.ts';

const sample = (value: number): Sample => [{ data: Uint8Array.of(value), shape: [1] }];

/** A model that fails on the given batches. */
function backend(fails: (batch: readonly Sample[]) => CascadeError | undefined): Backend {
  return {
    emulated: false,
    load: () => NEVER,
    unload: () => NEVER,
    close: () => Promise.resolve(),
    run: (_, batch) => {
      const error = fails(batch);
      return error === undefined
        ? of({ scores: new Float32Array(2 * batch.length), classes: 2, auxiliary: undefined, computeMs: 1 })
        : throwError(() => error);
    },
  };
}

const run = (on: Backend, values: number[]) => runBatch(on, 'm', values.map(sample), values);
const failed = new CascadeError('INTERNAL', 'model m: Reshape');

describe('runBatch', () => {
  it('returns the output', async () => {
    expect(
      await run(
        backend(() => undefined),
        [3, 5],
      ),
    ).toMatchObject({ classes: 2 });
  });

  it('suggests maxBatch: 1 for a model that only fails on batches', async () => {
    await expect(
      run(
        backend((batch) => (batch.length > 1 ? failed : undefined)),
        [3, 5],
      ),
    ).rejects.toMatchObject({
      name: 'ConfigError',
      message: expect.stringMatching(/^model m can run 2 samples one by one, .* as a batch: model m: Reshape; set `maxBatch: 1`/),
    });
  });

  it('finds the batch size that a graph holds inside', async () => {
    const four = backend((batch) => (batch.length === 4 ? undefined : failed));
    for (const values of [[3], [3, 5]]) {
      await expect(run(four, values)).rejects.toMatchObject({
        name: 'ConfigError',
        message: expect.stringMatching(
          /^model m fails on one sample, but runs on 4: model m: Reshape; .* batch axis fixed at 4$/,
        ),
      });
    }
  });

  it('names the sample that a model fails on', async () => {
    const fails = backend((batch) => (batch.some(([{ data }]) => data[0] === 5) ? failed : undefined));
    for (const values of [[5], [3, 5]]) {
      await expect(run(fails, values)).rejects.toMatchObject({
        name: 'ConfigError',
        message: 'sample 5 of the data: model m: Reshape',
      });
    }
  });

  it('passes on the error of a backend that is gone', async () => {
    const gone = new CascadeError('UNAVAILABLE', 'the backend is closed');
    await expect(
      run(
        backend(() => gone),
        [3, 5],
      ),
    ).rejects.toBe(gone);
  });
});
