import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { firstValueFrom, lastValueFrom, type Observable } from 'rxjs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, BatchOutput } from '../../engine/backend/backend.ts';
import { createOnnxBackend, type OnnxOptions } from '../../engine/backend/onnx-backend.ts';
import { readModelInterface } from '../../engine/backend/onnx-file.ts';
import { canPin, thisThread } from '../../engine/backend/pin-thread.ts';
import { decodeStrings } from '../../engine/tensor/strings.ts';
import type { Sample } from '../../engine/tensor/tensor.ts';
import { loadLabelledData } from '../../plans/data/load-labelled-data.ts';
import { loadDeployment } from '../../plans/domain/deployment/read-deployment.ts';
import { type Graph, onnxModel } from '../fixtures/onnx-writer.ts';
import { writeTextFamily } from '../fixtures/text-family.ts';
import { eventually } from '../support/eventually.ts';

let dir: string;
const open: Backend[] = [];

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'cascade-backend-'));
});
afterAll(() => rmSync(dir, { recursive: true }));
afterEach(async () => {
  for (const backend of open.splice(0)) await backend.close();
});

function backend(options: Partial<OnnxOptions> = {}): Backend {
  const made = createOnnxBackend({ kind: 'cpu', threads: 1, inputs: {}, ...options } as OnnxOptions);
  open.push(made);
  return made;
}

function model(name: string, graph: Graph): { name: string; file: string } {
  const file = join(dir, `${name}.onnx`);
  writeFileSync(file, onnxModel(graph));
  return { name, file };
}

/** Scores are the two inputs; `sure` is their sum. */
const IDENTITY: Graph = {
  inputs: [{ name: 'x', type: 'float32', shape: ['batch', 2] }],
  outputs: [
    { name: 'sure', type: 'float32', shape: ['batch', 1] },
    { name: 'scores', type: 'float32', shape: ['batch', 2] },
  ],
  weights: [{ name: 'last', dims: [1], data: BigInt64Array.of(1n) }],
  nodes: [
    { op: 'Identity', inputs: ['x'], outputs: ['scores'] },
    { op: 'ReduceSum', inputs: ['x', 'last'], outputs: ['sure'], attributes: { keepdims: 1 } },
  ],
};

/** Fails on a batch with values that are not indices into a table of 3. */
const LOOK_UP: Graph = {
  inputs: [{ name: 'x', type: 'int64', shape: ['batch'] }],
  outputs: [{ name: 'scores', type: 'float32', shape: ['batch', 2] }],
  weights: [{ name: 'table', dims: [3, 2], data: Float32Array.of(1, 0, 0, 1, 1, 1) }],
  nodes: [{ op: 'Gather', inputs: ['table', 'x'], outputs: ['scores'] }],
};

const floats = (...values: number[]): Sample => [
  { data: new Uint8Array(Float32Array.from(values).buffer), shape: [values.length] },
];
const index = (value: bigint): Sample => [{ data: new Uint8Array(BigInt64Array.of(value).buffer), shape: [] }];

async function failure(observable: Observable<unknown>): Promise<Error> {
  try {
    await lastValueFrom(observable, { defaultValue: undefined });
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not fail');
}

describe('ONNX backend', () => {
  it('reports the inputs of a model as in its file', async () => {
    const file = model('look-up', LOOK_UP);
    const loaded = await firstValueFrom(backend().load(file));
    expect(loaded).toEqual({
      inputs: [{ name: 'x', dtype: 'int64', shape: [] }],
      outputs: [{ name: 'scores', type: 'float32', shape: [2] }],
      fixedBatch: undefined,
    });
    expect(readModelInterface(file.file, {})).toEqual(loaded);
  });

  it('takes scores and certainty from the right outputs', async () => {
    const on = backend({ auxiliary: { name: 'sure', holds: 'the certainty' } });
    await firstValueFrom(on.load(model('identity', IDENTITY)));
    const output = await firstValueFrom(on.run('identity', [floats(1, 2), floats(3, 5)]));
    expect(output).toMatchObject({ classes: 2, scores: Float32Array.of(1, 2, 3, 5), auxiliary: Float32Array.of(3, 8) });
    expect(output.computeMs).toBeGreaterThan(0);
  });

  it('answers a batch of ragged samples like each sample alone, in the order of the family', async () => {
    const deployment = loadDeployment(writeTextFamily(join(dir, 'text')));
    const data = loadLabelledData(deployment);
    const on = backend({ inputs: deployment.inputs, specs: data.specs });
    const samples = Array.from({ length: 12 }, (_, i) => data.sample(i));
    for (const entry of deployment.models) {
      await firstValueFrom(on.load(entry));
      const together = await firstValueFrom(on.run(entry.name, samples));
      for (const [i, sample] of samples.entries()) {
        const { scores } = await firstValueFrom(on.run(entry.name, [sample]));
        const { classes } = together;
        const row = together.scores.subarray(i * classes, (i + 1) * classes);
        expect([...row]).toEqual([...scores].map((score) => expect.closeTo(score, 4)));
      }
    }
  });

  it.each([1, 2, 3])('answers %i samples with a graph that takes 3', async (size) => {
    const on = backend({ auxiliary: { name: 'sure', holds: 'the certainty' } });
    const fixed = { ...IDENTITY, inputs: [{ ...IDENTITY.inputs[0], shape: [3, 2] }] };
    expect(await firstValueFrom(on.load(model('fixed', fixed)))).toMatchObject({ fixedBatch: 3 });
    const batch = [floats(1, 2), floats(3, 5), floats(8, 13)].slice(0, size);
    const output = await firstValueFrom(on.run('fixed', batch));
    expect(output.scores).toEqual(Float32Array.of(1, 2, 3, 5, 8, 13).subarray(0, 2 * size));
    expect(output.auxiliary).toEqual(Float32Array.of(3, 8, 21).subarray(0, size));
    expect(await failure(on.run('fixed', new Array(4).fill(floats(1, 2))))).toMatchObject({
      message: 'model fixed has its batch size fixed at 3; it was given 4',
    });
  });

  it('leaves the samples usable: only the batch is transferred', async () => {
    const on = backend();
    await firstValueFrom(on.load(model('identity', IDENTITY)));
    const sample = floats(1, 2);
    for (let i = 0; i < 2; i++) {
      expect((await firstValueFrom(on.run('identity', [sample]))).scores).toEqual(Float32Array.of(1, 2));
    }
  });

  it.each([3, 10_000, 40_000])('answers a batch of %i, in shared memory or by message, like the one before it', async (size) => {
    const on = backend({ auxiliary: { name: 'sure', holds: 'the certainty' } });
    await firstValueFrom(on.load(model('identity', IDENTITY)));
    for (const first of [1, 2]) {
      const batch = Array.from({ length: size }, (_, i) => floats(first, i));
      const output = await firstValueFrom(on.run('identity', batch));
      expect(output.scores).toEqual(Float32Array.from({ length: 2 * size }, (_, i) => (i % 2 === 0 ? first : (i - 1) / 2)));
      expect(output.auxiliary).toEqual(Float32Array.from({ length: size }, (_, i) => first + i));
    }
  });

  it('runs requested batches before it closes, and none after', async () => {
    const on = backend();
    await firstValueFrom(on.load(model('identity', IDENTITY)));
    const runs: Promise<BatchOutput>[] = [1, 2, 3].map((value) => firstValueFrom(on.run('identity', [floats(value, 0)])));
    await on.close();
    expect((await Promise.all(runs)).map(({ scores }) => scores[0])).toEqual([1, 2, 3]);
    expect(await failure(on.run('identity', [floats(1, 2)]))).toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('fails only the batch when a model fails on it', async () => {
    const on = backend();
    await firstValueFrom(on.load(model('look-up', LOOK_UP)));
    expect(await failure(on.run('look-up', [index(7n)]))).toMatchObject({
      code: 'INTERNAL',
      message: expect.stringContaining('model look-up: '),
    });
    expect((await firstValueFrom(on.run('look-up', [index(1n)]))).scores).toEqual(Float32Array.of(0, 1));
  });

  it('blames a sample that fails alone if others were answered, and none in a batch', async () => {
    const on = backend();
    await firstValueFrom(on.load(model('look-up', LOOK_UP)));
    await firstValueFrom(on.run('look-up', [index(1n)]));
    expect(await failure(on.run('look-up', [index(7n)]))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(
        /^model look-up: cannot take this sample: Gather: indices element out of data bounds, idx=7/,
      ),
    });
    expect(await failure(on.run('look-up', [index(1n), index(7n)]))).toMatchObject({ code: 'INTERNAL' });
  });

  it.each([2, 3])('returns requested outputs as bytes, from a graph that takes 3: %i samples', async (size) => {
    const on = backend({ auxiliary: { name: 'sure', holds: 'the certainty' } });
    const graph: Graph = {
      inputs: [{ name: 'x', type: 'float32', shape: [3, 2] }],
      outputs: [
        ...IDENTITY.outputs,
        { name: 'best', type: 'int64', shape: [3] },
        { name: 'text', type: 'string', shape: [3, 1, 2] },
      ],
      weights: [...IDENTITY.weights, { name: 'wide', dims: [3], data: BigInt64Array.of(3n, 1n, 2n) }],
      nodes: [
        ...IDENTITY.nodes,
        { op: 'ArgMax', inputs: ['x'], outputs: ['best'], attributes: { axis: 1, keepdims: 0 } },
        { op: 'Reshape', inputs: ['x', 'wide'], outputs: ['x3'] },
        { op: 'Cast', inputs: ['x3'], outputs: ['text'], attributes: { to: 8 } },
      ],
    };
    await firstValueFrom(on.load(model('outputs', graph)));
    const batch = [floats(1, 2), floats(5, 3), floats(8, 13)].slice(0, size);
    const output = await firstValueFrom(on.run('outputs', batch, ['text', 'best', 'scores']));
    expect(output.scores).toEqual(Float32Array.of(1, 2, 5, 3, 8, 13).subarray(0, 2 * size));
    expect(output.outputs).toMatchObject([
      { name: 'text', dtype: 'string', shape: [1, 2] },
      { name: 'best', dtype: 'int64', shape: [] },
      { name: 'scores', dtype: 'float32', shape: [2] },
    ]);
    const [text, best, scores] = output.outputs!.map(({ data }) => data);
    expect(decodeStrings(text)).toEqual(['1', '2', '5', '3', '8', '13'].slice(0, 2 * size));
    expect(new BigInt64Array(best.slice().buffer)).toEqual(BigInt64Array.of(1n, 0n, 1n).subarray(0, size));
    expect(new Float32Array(scores.slice().buffer)).toEqual(output.scores);
    expect((await firstValueFrom(on.run('outputs', batch))).outputs).toBeUndefined();
    expect(await failure(on.run('outputs', batch, ['doubt']))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'model outputs has no output doubt; its outputs are sure, scores, best, text',
    });
  });

  it('forgets unloaded models', async () => {
    const on = backend();
    await firstValueFrom(on.load(model('identity', IDENTITY)));
    await lastValueFrom(on.unload('identity'));
    expect(await failure(on.run('identity', [floats(1, 2)]))).toMatchObject({
      code: 'INTERNAL',
      message: 'model identity is not loaded',
    });
  });

  it.each<[string, () => { name: string; file: string }, Partial<OnnxOptions>]>([
    ['nowhere.onnx does not exist', () => ({ name: 'm', file: join(dir, 'nowhere.onnx') }), {}],
    [
      'corrupt.onnx cannot be loaded as an ONNX model',
      () => {
        writeFileSync(join(dir, 'corrupt.onnx'), 'not a model');
        return { name: 'm', file: join(dir, 'corrupt.onnx') };
      },
      {},
    ],
    [
      'identity.onnx: has no output doubt for the certainty; its outputs are sure, scores',
      () => model('identity', IDENTITY),
      { auxiliary: { name: 'doubt', holds: 'the certainty' } },
    ],
    [
      'integers.onnx: has no output of class scores',
      () =>
        model('integers', {
          inputs: [{ name: 'x', type: 'int64', shape: ['batch', 2] }],
          outputs: [{ name: 'y', type: 'int64', shape: ['batch', 2] }],
          weights: [],
          nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
        }),
      {},
    ],
    [
      'takes input x float32[2]; the samples have y float32[2]',
      () => model('identity', IDENTITY),
      { specs: [{ name: 'y', dtype: 'float32', shape: [2], pad: 0 }] },
    ],
    ['ONNXRUNTIME_NODE_INSTALL=cuda12', () => model('identity', IDENTITY), { kind: 'cuda', deviceId: 0 } as Partial<OnnxOptions>],
  ])('says "%s"', async (message, file, options) => {
    const error = await failure(backend(options).load(file()));
    expect(error).toMatchObject({ name: 'ConfigError', message: expect.stringContaining(message) });
  });

  it('fails everything pending, and everything after, when its worker dies', async () => {
    const dying = new Worker("require('node:worker_threads').parentPort.once('message', () => process.exit(3))", { eval: true });
    const on = createOnnxBackend({ kind: 'cpu', threads: 1, inputs: {} }, () => dying);
    const file = model('identity', IDENTITY);
    const failures = await Promise.all([failure(on.load(file)), failure(on.load(file))]);
    for (const error of [...failures, await failure(on.load(file))]) {
      expect(error).toMatchObject({ code: 'UNAVAILABLE', message: 'the inference worker ended with code 3' });
    }
    await on.close();
  });
});

describe.runIf(process.platform === 'linux')('inference thread', () => {
  const identity = () => model('identity', IDENTITY);
  const niceOf = (thread: number): number =>
    Number(readFileSync(`/proc/self/task/${thread}/stat`, 'utf8').split(') ')[1].split(' ')[16]);
  const coresOf = (thread: number | 'self'): string =>
    readFileSync(`/proc/${thread === 'self' ? 'thread-self' : `self/task/${thread}`}/status`, 'utf8').match(
      /^Cpus_allowed_list:\s*(.*)$/m,
    )![1];
  /** A core that we may use. */
  const someCore = (): number => Number(coresOf('self').match(/(\d+)$/)![1]);
  const withoutTaskset = 'taskset (util-linux) is missing: nothing can be pinned';

  async function started(options: Partial<OnnxOptions>): Promise<number> {
    const on = backend(options);
    await firstValueFrom(on.load(identity()));
    return on.thread!;
  }

  it('runs at lower priority than the event loop if the inference threads of the machine leave no core free', async () => {
    const thread = await started({ threadsOfMachine: availableParallelism() });
    expect(niceOf(thread)).toBe(Math.min(niceOf(thisThread()) + 2, 19));
  });

  it('runs at the priority of the event loop if a core is left, pinned or not', async ({ skip }) => {
    skip(availableParallelism() === 1, 'this machine has one core');
    for (const cores of [[], [someCore()]]) expect(niceOf(await started({ cores }))).toBe(niceOf(thisThread()));
  });

  it('is pinned to its cores, while the main thread may run wherever it could before', async ({ skip }) => {
    skip(!canPin(), withoutTaskset);
    const [before, core] = [coresOf('self'), someCore()];
    expect(coresOf(await started({ cores: [core] }))).toBe(String(core));
    expect(coresOf('self')).toBe(before);
  });

  it('that cannot be pinned gives a warning with the cores, and serves', async ({ skip }) => {
    skip(!canPin(), withoutTaskset);
    const warnings: string[] = [];
    const listener = ({ message }: Error): void => void warnings.push(message);
    process.on('warning', listener);
    try {
      const on = backend({ cores: [4_095] });
      await firstValueFrom(on.load(identity()));
      expect((await firstValueFrom(on.run('identity', [floats(1, 2)]))).scores).toEqual(Float32Array.of(1, 2));
      expect(coresOf(on.thread!)).toBe(coresOf('self'));
      await eventually(() =>
        expect(warnings).toContainEqual(expect.stringMatching(/^the inference thread is not pinned to cores 4095: taskset: ./)),
      );
    } finally {
      process.off('warning', listener);
    }
  });
});
