import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom, from, of, toArray } from 'rxjs';
import { afterAll, expect, test } from 'vitest';
import { createClient } from '../../actors/client/client.ts';
import type { InferRequest } from '../../actors/client/index.ts';
import { createOnnxBackend } from '../../engine/backend/onnx-backend.ts';
import { realClock } from '../../engine/clock.ts';
import { createRandom } from '../../engine/random.ts';
import type { TensorSpec } from '../../engine/tensor/tensor.ts';
import { shuffled } from '../../plans/data/shuffled.ts';
import { isFailure, type Result } from '../../plans/protocol/messages.ts';
import { createLocalBus } from '../doubles/local-bus.ts';
import { type Graph, onnxModel } from '../fixtures/onnx-writer.ts';
import { judgedBy } from '../support/judges.ts';
import { startPlane } from '../support/plane.ts';
import { planOf } from '../support/plans.ts';

/** Answers do not depend on the rest of the batch: real models on the real plane, alone and in crowds. */
const folder = mkdtempSync(join(tmpdir(), 'cascade-batches-'));
afterAll(() => rmSync(folder, { recursive: true }));

const SAMPLES = 1_000;
const CLASSES = 3;
const random = createRandom('batchKey');
const normal = (): number => random.next() + random.next() + random.next() - 1.5;
const weights = (count: number) => Float32Array.from({ length: count }, normal);

const VOCABULARY = 50;
const WIDTH = 16;
/** The mean over the tokens, without a mask, so that padding would be averaged, too. */
const RAGGED: Graph = {
  inputs: [{ name: 'ids', type: 'int64', shape: ['batch', 'tokens'] }],
  outputs: [{ name: 'logits', type: 'float32', shape: ['batch', CLASSES] }],
  weights: [
    { name: 'embedding', dims: [VOCABULARY, WIDTH], data: weights(VOCABULARY * WIDTH) },
    { name: 'head', dims: [WIDTH, CLASSES], data: weights(WIDTH * CLASSES) },
  ],
  nodes: [
    { op: 'Gather', inputs: ['embedding', 'ids'], outputs: ['embedded'] },
    { op: 'ReduceMean', inputs: ['embedded'], outputs: ['mean'], attributes: { axes: [1], keepdims: 0 } },
    { op: 'MatMul', inputs: ['mean', 'head'], outputs: ['logits'] },
  ],
};
const FEATURES = 200;
const FIXED: Graph = {
  inputs: [{ name: 'x', type: 'float32', shape: ['batch', FEATURES] }],
  outputs: [{ name: 'logits', type: 'float32', shape: ['batch', CLASSES] }],
  weights: [{ name: 'head', dims: [FEATURES, CLASSES], data: weights(FEATURES * CLASSES) }],
  nodes: [{ op: 'MatMul', inputs: ['x', 'head'], outputs: ['logits'] }],
};

const FAMILIES: readonly [string, Graph, TensorSpec, () => number[]][] = [
  [
    'ragged',
    RAGGED,
    { name: 'ids', dtype: 'int64', shape: [null] },
    () => Array.from({ length: 1 + random.below(40) }, () => random.below(VOCABULARY)),
  ],
  ['fixed', FIXED, { name: 'x', dtype: 'float32', shape: [FEATURES] }, () => Array.from({ length: FEATURES }, normal)],
];

/** The model on the real plane, in batches of at least 8 if they are there within 5 ms. */
function serve(name: string, graph: Graph, spec: TensorSpec, samples: readonly number[][]) {
  const file = join(folder, `${name}.onnx`);
  writeFileSync(file, onnxModel(graph));
  const bus = createLocalBus(realClock);
  const values = spec.dtype === 'int64' ? BigInt64Array.from(samples[0], BigInt) : Float32Array.from(samples[0]);
  const plane = startPlane(bus, realClock, planOf({ models: [name], minQueueLength: 8, maxWaitMs: 5 }), {
    specs: [spec],
    frontend: { deadlineMs: 60_000, outputs: graph.outputs.map((output) => output.name) },
    device: {
      warmUp: [[{ data: new Uint8Array(values.buffer), shape: [samples[0].length] }]],
      judge: judgedBy('margin', 'logits'),
    },
    weights: { profiled: [{ batch: [1, 64], ms: [1, 2] }], file$: () => of({ name, file }) },
    createBackend: () => createOnnxBackend({ kind: 'cpu', threads: 1, inputs: {}, specs: [spec] }),
  });
  const client = createClient(bus, realClock, { deployment: 'test', deadlineMs: 60_000 });
  return {
    /** Results in the order of the samples. */
    ask: async (order: Int32Array, concurrency: number, wanted: Partial<InferRequest>): Promise<Result[]> => {
      const requests = Array.from(order, (i) => ({ id: String(i), inputs: { [spec.name]: samples[i] }, ...wanted }));
      const answers = await firstValueFrom(client.inferMany(from(requests), { concurrency }).pipe(toArray()));
      const results: Result[] = [];
      for (const answer of answers) {
        if (isFailure(answer)) throw new Error(answer.error.message);
        results[Number(answer.id)] = answer;
      }
      expect(results.filter(Boolean)).toHaveLength(order.length);
      return results;
    },
    stop: async (): Promise<void> => {
      await client.close();
      const actors = [...plane.frontends, ...plane.devices.values(), plane.controller, plane.keeper];
      await Promise.all(actors.map((actor) => actor.stop(1_000)));
    },
  };
}

test.each(FAMILIES)(
  '1,000 samples of a %s family get the same labels and scores alone and at concurrency 256, in three orders',
  async (name, graph, spec, make) => {
    const { ask, stop } = serve(name, graph, spec, Array.from({ length: SAMPLES }, make));
    const inOrder = Int32Array.from({ length: SAMPLES }, (_, i) => i);
    const alone = await ask(inOrder, 1, { scores: true });
    const orders = [inOrder, inOrder.toReversed(), Int32Array.from(shuffled(SAMPLES, random))];
    for (const order of orders) {
      const together = await ask(order, 256, { scores: true });
      expect(together.map(({ label }) => label)).toEqual(alone.map(({ label }) => label));
      const difference = together.map(({ scores }, i) =>
        Math.max(...scores!.map((score, c) => Math.abs(score - alone[i].scores![c]))),
      );
      expect(Math.max(...difference)).toBeLessThan(1e-5);
    }
    await stop();
  },
);

test('outputs with a row per token have the rows of their own sample, also where padding lets lengths share a batch', async () => {
  const graph: Graph = {
    ...RAGGED,
    outputs: [...RAGGED.outputs, { name: 'embedded', type: 'float32', shape: ['batch', 'tokens', WIDTH] }],
  };
  const samples = Array.from({ length: 200 }, (_, i) => new Array<number>(5 + (i % 4)).fill(1));
  const { ask, stop } = serve('tokens', graph, { name: 'ids', dtype: 'int64', shape: [null], pad: 0 }, samples);
  const results = await ask(
    Int32Array.from(samples, (_, i) => i),
    samples.length,
    { outputs: ['embedded'] },
  );
  expect(results.map(({ outputs }) => outputs!.embedded.shape)).toEqual(samples.map(({ length }) => [length, WIDTH]));
  await stop();
});
