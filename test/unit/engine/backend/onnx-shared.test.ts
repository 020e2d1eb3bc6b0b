import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SharedBatch } from '../../../../engine/backend/onnx-shared.ts';

/** The two ends of the shared memory. */
function ends(): { loop: SharedBatch; worker: SharedBatch } {
  const loop = new SharedBatch();
  return { loop, worker: new SharedBatch(loop.memory) };
}

interface Input {
  readonly data: Uint8Array;
  readonly dims: readonly number[];
}

function written(loop: SharedBatch, inputs: readonly Input[]): Input[] {
  const allocate = loop.allocator();
  return inputs.map(({ data, dims }) => {
    const room = allocate(data.length);
    room.set(data);
    return { data: room, dims };
  });
}

it('hands over a batch once, as copies', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.nat(),
      fc.array(
        fc.record({
          data: fc.uint8Array({ maxLength: 100 }).map((data) => Uint8Array.from(data)),
          dims: fc.array(fc.nat(), { maxLength: 5 }),
        }),
        {
          minLength: 1,
          maxLength: 8,
        },
      ),
      (id, model, given) => {
        const { loop, worker } = ends();
        expect(loop.put(id, model, written(loop, given))).toBe(true);
        const taken = worker.take();
        expect(taken).toEqual({ id, model, inputs: given });
        // The next batch must not change the running one.
        loop.put(id, model, written(loop, [{ data: new Uint8Array(1_000).fill(7), dims: [1_000] }]));
        expect(taken).toEqual({ id, model, inputs: given });
        worker.take();
        expect(worker.take()).toBeUndefined();
      },
    ),
  );
});

it.each([undefined, Float32Array.of(0.25, 0.5)])('hands back the output with its auxiliary output: %s', (auxiliary) => {
  const { loop, worker } = ends();
  const output = { scores: Float32Array.of(1, 2, 3, 4), classes: 2, auxiliary, computeMs: 0.125 };
  expect(worker.putOutput(output)).toBe(true);
  const read = loop.output();
  worker.putOutput({ scores: new Float32Array(6), classes: 3, auxiliary: undefined, computeMs: 1 });
  expect(read).toEqual(output);
});

it('leaves batches that do not fit to a message', () => {
  const { loop, worker } = ends();
  const small = { data: Uint8Array.of(1), dims: [1] };
  const large = { data: new Uint8Array(256 * 1024), dims: [1] };
  expect(loop.put(1, 0, written(loop, [small, large]))).toBe(false);
  expect(loop.put(1, 0, written(loop, [{ ...small, dims: new Array(127).fill(1) }]))).toBe(false);
  expect(worker.take()).toBeUndefined();
  expect(worker.putOutput({ scores: new Float32Array(16_385), classes: 1, auxiliary: undefined, computeMs: 0 })).toBe(false);
});
