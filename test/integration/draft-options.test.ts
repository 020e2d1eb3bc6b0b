import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadDeployment } from '../../plans/domain/deployment/read-deployment.ts';
import { draftDeployment } from '../../plans/draft/draft-deployment.ts';
import { npyFile } from '../fixtures/npy-writer.ts';
import type { Value } from '../fixtures/onnx-writer.ts';
import { type Files, folderWith, modelOf } from '../support/folders.ts';

/** A draft infers the task from the graphs, the labels, and the outputs for some samples. */

const made: string[] = [];
afterEach(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true });
});

async function draft(files: Files) {
  const folder = folderWith(files);
  made.push(folder);
  const { yaml, notes } = await draftDeployment(folder);
  writeFileSync(join(folder, 'deployment.yaml'), yaml);
  loadDeployment(folder);
  const { models, data: _, devices: __, slo: ___, load: ____, name: _____, ...options } = parse(yaml) as Record<string, unknown>;
  return { models, options, notes };
}

const output = (name: string, columns: number): Value => ({ name, type: 'float32', shape: ['batch', columns] });
const x = (columns: number): Value[] => [{ name: 'x', type: 'float32', shape: ['batch', columns] }];
const values = (columns: number) =>
  npyFile(
    [4, columns],
    Float32Array.from({ length: 4 * columns }, (_, i) => i - 3),
  );
const THREE = { 'x.npy': values(3), 'y.npy': npyFile([4], Int32Array.of(0, 1, 2, 1)) };
const ONE = { 'x.npy': values(1), 'y.npy': npyFile([4], Int32Array.of(0, 1, 0, 1)) };

test('scores outside 0 to 1 are logits, others probabilities; if models differ, each says so', async () => {
  const logits = modelOf({ inputs: x(3), outputs: [output('out', 3)] });
  const probabilities = modelOf({ inputs: x(3), outputs: [output('out', 3)], op: 'Softmax', bytes: 400 });
  expect((await draft({ ...THREE, 'a.onnx': logits })).options).toEqual({ scores: 'logits' });
  expect((await draft({ ...THREE, 'b.onnx': probabilities })).options).toEqual({ scores: 'probabilities' });
  const both = await draft({ ...THREE, 'a.onnx': logits, 'b.onnx': probabilities });
  expect(both.options).toEqual({});
  expect(both.models).toMatchObject([{ scores: 'logits' }, { scores: 'probabilities' }]);
  expect(both.notes).toContainEqual(expect.stringContaining('Some models output probabilities, others logits'));
});

test('votes that are below 0 or above 1 by rounding are probabilities', async () => {
  const votes = npyFile(
    [4, 3],
    Float32Array.from({ length: 12 }, (_, i) => (i % 3 === 0 ? 1 + 1e-7 : -1e-8)),
  );
  const m = modelOf({ inputs: x(3), outputs: [output('out', 3)] });
  expect((await draft({ ...THREE, 'x.npy': votes, 'm.onnx': m })).options).toEqual({ scores: 'probabilities' });
});

test('one number per sample and labels of 0 and 1 are a binary task', async () => {
  const { options, notes } = await draft({
    ...ONE,
    'm.onnx': modelOf({ inputs: x(1), outputs: [output('prob', 1)], op: 'Sigmoid' }),
  });
  expect(options).toEqual({ task: 'binary', scores: 'probabilities' });
  expect(notes).toContainEqual(expect.stringContaining('one number per sample'));
});

test('of several outputs, the one with a column per class holds the scores', async () => {
  const outputs = [output('a_head', 3), output('logits', 3)];
  const { options, notes } = await draft({ ...THREE, 'm.onnx': modelOf({ inputs: x(3), outputs }) });
  expect(options).toEqual({ output: 'logits', scores: 'logits' });
  expect(notes).toContainEqual(
    expect.stringContaining(
      'logits has a column for each of the 3 classes, so it is read as the scores; a_head is also possible',
    ),
  );
});

test('labels that are names become the class names', async () => {
  const files = { 'x.npy': values(2), 'y.csv': 'label\nbee\nant\nbee\nant\n' };
  const { options, notes } = await draft({ ...files, 'm.onnx': modelOf() });
  expect(options).toEqual({ classes: ['ant', 'bee'], scores: 'logits' });
  expect(notes).toContainEqual(expect.stringContaining('The order must be that of the scores'));
});

test('labels that are other numbers name the classes, if the models have a column for each', async () => {
  const labels = npyFile([4], Int32Array.of(7, 3, 9, 3));
  const m = modelOf({ inputs: x(3), outputs: [output('out', 3)] });
  const { options, notes } = await draft({ ...THREE, 'y.npy': labels, 'm.onnx': m });
  expect(options).toEqual({ classes: [3, 7, 9], scores: 'logits' });
  expect(notes).toContainEqual(expect.stringContaining('they name the classes, sorted here'));
  const ten = modelOf({ inputs: x(3), outputs: [output('out', 10)] });
  expect((await draft({ ...THREE, 'y.npy': labels, 'm.onnx': ten })).options).toEqual({ scores: 'logits' });
  const two = npyFile([4], Int32Array.of(1, 2, 2, 1));
  const sigmoid = modelOf({ inputs: x(1), outputs: [output('prob', 1)], op: 'Sigmoid' });
  expect((await draft({ ...ONE, 'y.npy': two, 'm.onnx': sigmoid })).options).toEqual({
    task: 'binary',
    classes: [1, 2],
    scores: 'probabilities',
  });
});

test('labels of -1 and 1 name the classes, of one score or two', async () => {
  const labels = npyFile([4], Int32Array.of(-1, 1, 1, -1));
  const one = modelOf({ inputs: x(1), outputs: [output('decision', 1)] });
  expect((await draft({ ...ONE, 'y.npy': labels, 'm.onnx': one })).options).toEqual({
    task: 'binary',
    classes: [-1, 1],
    scores: 'logits',
  });
  const two = { 'x.npy': values(2), 'y.npy': labels, 'm.onnx': modelOf({ inputs: x(2), outputs: [output('out', 2)] }) };
  expect((await draft(two)).options).toEqual({ classes: [-1, 1], scores: 'logits' });
});

test('rows of 0s and 1s are a multi-label task, and fractions a regression', async () => {
  const rows = { 'x.npy': values(3), 'y.npy': npyFile([4, 3], Int32Array.of(0, 1, 1, 0, 0, 0, 1, 1, 1, 0, 1, 0)) };
  const m = modelOf({ inputs: x(3), outputs: [output('out', 3)] });
  expect((await draft({ ...rows, 'm.onnx': m })).options).toEqual({ task: 'multi-label', scores: 'logits' });
  const targets = { 'x.npy': values(1), 'y.npy': npyFile([4], Float32Array.of(0.5, 1.5, 2.5, 10.5)) };
  const outputs = [output('value', 1), output('std', 1)];
  const { options, notes } = await draft({ ...targets, 'm.onnx': modelOf({ inputs: x(1), outputs }) });
  expect(options).toEqual({ task: 'regression', tolerance: 0.5, certainty: { output: 'std' } });
  expect(notes).toContainEqual(expect.stringContaining('Certainty has to come from the models'));
});

test('whole numbers are values if the models give one number per sample', async () => {
  const m = modelOf({ inputs: x(1), outputs: [output('variable', 1)] }); // As skl2onnx calls it: neither variance nor certainty.
  for (const labels of [Int32Array.of(25, 346, 110, 65), Int32Array.of(-5, 15, 1, 0)]) {
    const { options } = await draft({ 'x.npy': values(1), 'y.npy': npyFile([4], labels), 'm.onnx': m });
    expect(options).toMatchObject({ task: 'regression', certainty: { output: 'NAME' } });
  }
});

test('a model that fails on the data is still drafted, and its error is reported', async () => {
  const m = modelOf({ inputs: x(3), outputs: [output('out', 3)], op: 'NoSuchOperator' });
  const { options, notes } = await draft({ ...THREE, 'm.onnx': m });
  expect(options).toEqual({ scores: 'logits' });
  expect(notes).toContainEqual(expect.stringMatching(/m failed on samples of the data: .*NoSuchOperator/s));
});
