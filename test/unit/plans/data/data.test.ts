import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toFloat16 } from '../../../../engine/tensor/float16.ts';
import { encodeStrings } from '../../../../engine/tensor/strings.ts';
import { DTYPES, type NumberType, type TensorSpec } from '../../../../engine/tensor/tensor.ts';
import { deploymentInputs, loadLabelledData } from '../../../../plans/data/load-labelled-data.ts';
import { type NumberArray, readNpy } from '../../../../plans/data/npy.ts';
import type { Deployment } from '../../../../plans/domain/deployment/deployment.ts';
import { loadDeployment } from '../../../../plans/domain/deployment/read-deployment.ts';
import { npyFile, npyTexts } from '../../../fixtures/npy-writer.ts';
import { onnxModel, type Value } from '../../../fixtures/onnx-writer.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'cascade-data-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

function numbers(bytes: Uint8Array): NumberArray {
  const array = readNpy(bytes, 'x.npy');
  if (array.dtype === 'text') throw new Error('expected numbers');
  return array;
}

describe('readNpy', () => {
  it.each(Object.keys(DTYPES) as NumberType[])('reads %s', (dtype) => {
    const { array } = DTYPES[dtype];
    const values = new array(Uint8Array.from({ length: 4 * DTYPES[dtype].bytes }, (_, i) => i).buffer);
    const read = numbers(npyFile([2, 2], values, { dtype }));
    expect(read).toMatchObject({ dtype, shape: [2, 2] });
    expect(new array(read.data.buffer)).toEqual(values);
  });

  it.each([1, 2, 3] as const)('reads version %d', (version) => {
    expect(readNpy(npyFile([3], Int32Array.of(5, 6, 7), { version }), 'x.npy').shape).toEqual([3]);
  });

  it('reads Fortran order, as pandas saves tables, and big-endian values', () => {
    const columns = npyFile([2, 3], Int32Array.of(0, 10, 1, 11, 2, 12), { fortran: true });
    expect(new Int32Array(numbers(columns).data.buffer)).toEqual(Int32Array.of(0, 1, 2, 10, 11, 12));
    const big = npyFile([2], Uint8Array.of(0, 1, 2, 3), { descr: '>i2' });
    expect(new Int16Array(numbers(big).data.buffer)).toEqual(Int16Array.of(1, 0x203));
  });

  it('reads strings, wide or narrow', () => {
    const wide = npyFile(
      [2],
      Uint32Array.from('hé\0a\0\0', (c) => c.codePointAt(0)!),
      { descr: '<U3' },
    );
    expect(readNpy(wide, 'x.npy')).toEqual({ dtype: 'text', shape: [2], texts: ['hé', 'a'] });
    const narrow = npyFile([2, 1], Uint8Array.from(Buffer.from('ab\0c\0\0')), { descr: '|S3' });
    expect(readNpy(narrow, 'x.npy')).toEqual({ dtype: 'text', shape: [2, 1], texts: ['ab', 'c'] });
  });

  it.each([
    ['x.npy has elements of type <c8', npyFile([1], Float64Array.of(1), { descr: '<c8' })],
    ['x.npy holds pickled Python objects; save array.astype(str)', npyFile([1], Float32Array.of(1), { descr: '|O' })],
    ['x.npy holds 8 bytes, but its header says int32[3], which needs 12', npyFile([3], Int32Array.of(1, 2))],
    ['x.npy is not a .npy file', Buffer.from('PK\x03\x04 something else')],
    ['x.npy is not a .npy file', new Uint8Array(0)],
  ])('says "%s"', (message, bytes) => {
    expect(() => readNpy(bytes, 'x.npy')).toThrow(message);
  });
});

const IMAGE: Value = { name: 'image', type: 'uint8', shape: ['batch', 2, 2] };
const IDS: Value = { name: 'ids', type: 'int64', shape: ['batch', 'tokens'] };

/** A deployment of one model with these inputs; other files go next to it. */
function deployment(inputs: readonly Value[], data: string, files: Record<string, Uint8Array | string>, more = ''): Deployment {
  const outputs: Value[] = [{ name: 'scores', type: 'float32', shape: ['batch', 3] }];
  writeFileSync(join(dir, 'm.onnx'), onnxModel({ inputs, outputs, weights: [], nodes: [] }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(dir, name), content);
  writeFileSync(
    join(dir, 'deployment.yaml'),
    `name: d
models: [ { name: m, file: m.onnx } ]
data: ${data}
classes: [a, b, c]
devices: [ { id: cpu0, kind: cpu, memory: 1GiB } ]
slo: { p95: 1s }
load: { qpsMax: 1 }
${more}`,
  );
  return loadDeployment(dir);
}

describe('deploymentInputs', () => {
  it('are read from the model files, with the padding of the deployment', () => {
    const specs = deploymentInputs(deployment([IMAGE, IDS], '{ inputs: m.onnx }', {}, 'inputs: { ids: { pad: 7 } }'));
    expect(specs).toEqual<TensorSpec[]>([
      { name: 'image', dtype: 'uint8', shape: [2, 2] },
      { name: 'ids', dtype: 'int64', shape: [null], pad: 7 },
    ]);
  });

  it('must have the inputs that the deployment sets', () => {
    const wrong = deployment([IMAGE], '{ inputs: m.onnx }', {}, 'inputs: { img: { pad: 7 } }');
    expect(() => deploymentInputs(wrong)).toThrow(/inputs\.img: no model has this input; the models have image$/);
  });

  it.each<[string, Value['type'], string]>([
    ['0.5', 'int64', '0.5; expected a whole number from -9007199254740991 to 9007199254740991 (int64)'],
    ['1e30', 'int64', '1e+30; expected a whole number from'],
    ['-1', 'uint8', '-1; expected a whole number from 0 to 255 (uint8)'],
    ['300', 'uint8', '300; expected a whole number from 0 to 255 (uint8)'],
    ['1e300', 'float32', '1e+300; expected a finite number that float32 can hold'],
  ])('refuse padding with %s for %s', (pad, type, problem) => {
    const wrong = deployment([{ ...IDS, type }], '{ inputs: m.onnx }', {}, `inputs: { ids: { pad: ${pad} } }`);
    expect(() => deploymentInputs(wrong)).toThrow(`${wrong.file}: inputs.ids.pad is ${problem}`);
  });

  it.each<[string, Value, string, readonly number[]]>([
    ['one for all axes', { ...IDS, shape: ['batch', 'a', 3, 'b'] }, '9', [9, 3, 9]],
    ['one for each', { ...IDS, shape: ['batch', 'a', 3, 'b'] }, '[9, 8]', [9, 3, 8]],
  ])('have the maximum lengths that the deployment sets: %s', (_, input, maxLength, maxShape) => {
    const [spec] = deploymentInputs(
      deployment([input], '{ inputs: m.onnx }', {}, `inputs: { ids: { maxLength: ${maxLength} } }`),
    );
    expect(spec.maxShape).toEqual(maxShape);
  });

  it.each<[RegExp, Value]>([
    [/inputs\.ids\.maxLength: has 2 lengths, but ids has 1 variable-length axis$/, IDS],
    [/inputs\.image\.maxLength: the models accept only one size of image; leave it out$/, IMAGE],
  ])('refuses maximum lengths for other axes: %s', (words, input) => {
    const wrong = deployment([input], '{ inputs: m.onnx }', {}, `inputs: { ${input.name}: { maxLength: [3, 3] } }`);
    expect(() => deploymentInputs(wrong)).toThrow(words);
  });

  it('refuses a file that is not a model', () => {
    const wrong = deployment([IMAGE], '{ inputs: m.onnx }', {});
    writeFileSync(join(dir, 'm.onnx'), 'not a model');
    expect(() => deploymentInputs(wrong)).toThrow(/m\.onnx is not an ONNX model/);
  });
});

describe('loadLabelledData', () => {
  const images = npyFile(
    [4, 2, 2],
    Uint8Array.from({ length: 16 }, (_, i) => i),
  );
  const labels = npyFile([4], Int32Array.of(0, 1, 2, 1));

  const both = '{ inputs: { image: x.npy }, labels: y.npy }';

  it('reads an array per input, split into validation and load', () => {
    const data = loadLabelledData(
      deployment([IMAGE], '{ inputs: { image: x.npy }, labels: y.npy, validation: 0.25, order: time }', {
        'x.npy': images,
        'y.npy': labels,
      }),
    );
    const parts = { validation: Int32Array.of(0), load: Int32Array.of(1, 2, 3) };
    expect(data).toMatchObject({ count: 4, labels: Int32Array.of(0, 1, 2, 1), ...parts });
    expect(data.sample(2)).toEqual([{ data: Uint8Array.of(8, 9, 10, 11), shape: [2, 2] }]);
  });

  it('gives all samples to load tests if validation takes all', () => {
    const all = '{ inputs: { image: x.npy }, labels: y.npy, validation: 1 }';
    const data = loadLabelledData(deployment([IMAGE], all, { 'x.npy': images, 'y.npy': labels }));
    expect(Array.from(data.validation).sort()).toEqual([0, 1, 2, 3]);
    expect(data.load).toEqual(data.validation);
  });

  const files = { 'x.npy': images, 'y.npy': labels };
  it.each<[string, Record<string, Uint8Array>]>([
    [
      'float64 values',
      {
        'x.npy': npyFile(
          [4, 2, 2],
          Float64Array.from({ length: 16 }, (_, i) => i),
        ),
      },
    ],
    [
      'int64 values',
      {
        'x.npy': npyFile(
          [4, 2, 2],
          BigInt64Array.from({ length: 16 }, (_, i) => BigInt(i)),
        ),
      },
    ],
    [
      'an axis of length 1 too many',
      {
        'x.npy': npyFile(
          [4, 1, 2, 2],
          Uint8Array.from({ length: 16 }, (_, i) => i),
        ),
      },
    ],
    ['float labels', { 'y.npy': npyFile([4], Float64Array.of(0, 1, 2, 1)) }],
    ['labels [samples, 1]', { 'y.npy': npyFile([4, 1], BigInt64Array.of(0n, 1n, 2n, 1n)) }],
    ['one-hot labels', { 'y.npy': npyFile([4, 3], Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0)) }],
  ])('accepts %s as they are', (_, changed) => {
    const data = loadLabelledData(deployment([IMAGE], both, { ...files, ...changed }));
    expect(data.labels).toEqual(Int32Array.of(0, 1, 2, 1));
    expect(data.sample(2)).toEqual([{ data: Uint8Array.of(8, 9, 10, 11), shape: [2, 2] }]);
  });

  it('says how to move the channels of images', () => {
    const chw: Value = { name: 'image', type: 'float32', shape: ['batch', 3, 8, 9] };
    const wrong = deployment([chw], both, { ...files, 'x.npy': npyFile([1, 8, 9, 3], new Float32Array(216)) });
    expect(() => loadLabelledData(wrong)).toThrow(
      'x.npy (data.inputs.image) is float32[1, 8, 9, 3], but the models need float32[samples, 3, 8, 9]: save array.transpose(0, 3, 1, 2)',
    );
  });

  it('reads one archive', () => {
    const archive = zipSync({ 'image.npy': images, 'labels.npy': labels });
    const data = loadLabelledData(deployment([IMAGE], '{ inputs: x.npz }', { 'x.npz': archive }));
    expect(data.labels).toEqual(Int32Array.of(0, 1, 2, 1));
    expect(data.sample(0)[0].data).toEqual(Uint8Array.of(0, 1, 2, 3));
  });

  it('reads chosen members of an archive', () => {
    const archive = zipSync({ 'test_x.npy': images, 'test_y.npy': labels });
    const yaml = "{ inputs: { image: 'x.npz#test_x' }, labels: 'x.npz#test_y' }";
    expect(loadLabelledData(deployment([IMAGE], yaml, { 'x.npz': archive })).count).toBe(4);
  });

  it('reads JSON lines with ragged inputs, flat or nested', () => {
    const lines =
      '{"inputs": {"ids": [5, 6], "image": [[1, 2], [3, 4]]}, "label": 2}\n\n{"inputs": {"ids": [7], "image": [1, 2, 3, 4]}, "label": 0}\n';
    const data = loadLabelledData(deployment([IDS, IMAGE], '{ inputs: x.jsonl }', { 'x.jsonl': lines }));
    expect(data.labels).toEqual(Int32Array.of(2, 0));
    expect(data.sample(0).map(({ shape }) => shape)).toEqual([[2], [2, 2]]);
    expect(new BigInt64Array(data.sample(1)[0].data.buffer)).toEqual(BigInt64Array.of(7n));
  });

  it('reads JSON lines that are the rows of a table, as pandas and datasets write them', () => {
    const lines =
      '{"id": "a", "ids": [5, 6], "image": [[1, 2], [3, 4]], "label": 2}\n\n{"id": "b", "ids": [7], "image": [1, 2, 3, 4], "label": 0}\n';
    const data = loadLabelledData(deployment([IDS, IMAGE], '{ inputs: x.jsonl }', { 'x.jsonl': lines }));
    expect(data.labels).toEqual(Int32Array.of(2, 0));
    expect(data.sample(0).map(({ shape }) => shape)).toEqual([[2], [2, 2]]);
    expect(new BigInt64Array(data.sample(1)[0].data.buffer)).toEqual(BigInt64Array.of(7n));
  });

  it.each([
    [
      'x.jsonl (data.inputs): row 2[1] is 1.5; expected a whole number',
      '{"ids": [1], "label": 0}\n{"ids": [1, 1.5], "label": 0}',
    ],
    ['x.jsonl (data.inputs): row 2 is missing', '{"ids": [1], "label": 0}\n{"label": 0}'],
    ['x.jsonl:2 is not JSON', '{"ids": [1], "label": 0}\n{"ids'],
    ['x.jsonl:2 has ids, which the first line has not; write null', '{"label": 0}\n{"ids": [1], "label": 0}'],
    ['x.jsonl:1 has fields that are called by numbers (1, 2)', '{"2": 0, "1": 0, "label": 0}'],
    ['x.jsonl:1 has fields that are called by numbers (7)', '{"ids": [1], "7": 0, "label": 0}'],
    ['x.jsonl:2 is not a record', '{"ids": [1], "label": 0}\n[1]'],
    ['x.jsonl#label: label 1 is NaN; expected 0 to 2', '{"ids": [1], "label": 0}\n{"ids": [1]}'],
    ['x.jsonl (data.inputs) has 0 columns of numbers besides the label label', '{"text": "a", "label": 0}'],
  ])('refuses such lines: %s', (message, lines) => {
    const made = deployment([IDS], '{ inputs: x.jsonl }', { 'x.jsonl': lines });
    expect(() => loadLabelledData(made)).toThrow(message);
  });

  it.each([
    [3, 64],
    [40, 80],
  ])('accepts inputs up to twice the longest sample, and at least 64: %d gives %d', (longest, limit) => {
    const lines = [2, longest, 1].map((n) => JSON.stringify({ inputs: { ids: new Array(n).fill(1) }, label: 0 })).join('\n');
    const data = loadLabelledData(deployment([IDS], '{ inputs: x.jsonl }', { 'x.jsonl': lines }));
    expect(data.specs[0].maxShape).toEqual([limit]);
  });

  it('refuses samples longer than the deployment accepts', () => {
    const limits = 'inputs: { ids: { maxLength: 2 } }';
    const lines = '{"inputs": {"ids": [5, 6]}}\n{"inputs": {"ids": [5, 6, 7]}}';
    const json = deployment([IDS], '{ inputs: x.jsonl }', { 'x.jsonl': lines }, limits);
    const words = 'inputs.ids has length 3 in axis 0; at most 2 is accepted (inputs.ids.maxLength of the deployment)';
    expect(() => loadLabelledData(json)).toThrow(`x.jsonl:2 ${words}`);
    const npy = deployment([IDS], '{ inputs: { ids: x.npy } }', { 'x.npy': npyFile([2, 3], new BigInt64Array(6)) }, limits);
    expect(() => loadLabelledData(npy)).toThrow('x.npy (data.inputs.ids) has length 3 in axis 0; at most 2 is accepted');
  });

  const arrays = (x: Uint8Array, y = labels) => ({ 'x.npy': x, 'y.npy': y });
  it.each<[string, string, Record<string, Uint8Array>]>([
    [
      'x.npy (data.inputs.image): sample 0 holds 0.5, but the models need whole numbers from 0 to 255 (uint8)',
      both,
      arrays(npyFile([4, 2, 2], new Float32Array(16).fill(0.5))),
    ],
    [
      'x.npy (data.inputs.image): sample 1 holds 256, but the models need whole numbers from 0 to 255 (uint8)',
      both,
      arrays(npyFile([4, 2, 2], Int32Array.of(0, 0, 0, 0, 256, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))),
    ],
    [
      'x.npy (data.inputs.image) is uint8[4, 4], but the models need uint8[samples, 2, 2]',
      both,
      arrays(npyFile([4, 4], new Uint8Array(16))),
    ],
    ['x.npy (data.inputs.image) is empty; copy it again', both, arrays(new Uint8Array(0))],
    ['y.npy (data.labels) is empty; copy it again', both, arrays(images, new Uint8Array(0))],
    ['data.labels has 3 labels for 4 samples', both, arrays(images, npyFile([3], Int32Array.of(0, 1, 2)))],
    ['y.npy (data.labels): label 1 is 3; expected 0 to 2', both, arrays(images, npyFile([4], Int32Array.of(0, 3, 0, 0)))],
    ['y.npy (data.labels): label 1 is -1; expected 0 to 2', both, arrays(images, npyFile([4], Int32Array.of(0, -1, 0, 0)))],
    ['y.npy (data.labels): label 1 is 0.5; expected 0 to 2', both, arrays(images, npyFile([4], Float32Array.of(0, 0.5, 0, 0)))],
    [
      'y.npy (data.labels): label 1 is NaN; expected 0 to 2',
      both,
      arrays(images, npyFile([4], Float32Array.of(0, Number.NaN, 0, 0))),
    ],
    [
      'y.npy (data.labels) has 2 columns, but row 1 is not one-hot; expected one 1 among zeros',
      both,
      arrays(images, npyFile([4, 2], Int32Array.of(0, 1, 1, 1, 0, 1, 0, 1))),
    ],
    [
      'y.npy (data.labels): row 1 has no 1; expected one-hot rows',
      both,
      arrays(images, npyFile([2, 2], Int32Array.of(0, 1, 0, 0))),
    ],
    ['y.npy (data.labels) is uint8[4, 2, 2]; expected labels [samples], or one-hot', both, arrays(images, images)],
    ['data.inputs.img: no model has this input; the models have image', '{ inputs: { img: x.npy } }', arrays(images)],
    [
      'x.npz#image (data.inputs.image) does not exist; the archive has other',
      '{ inputs: x.npz }',
      { 'x.npz': zipSync({ 'other.npy': images }) },
    ],
    ['x.npz is not a .npz archive', '{ inputs: x.npz }', { 'x.npz': images }],
  ])('says "%s"', (message, yaml, files) => {
    const made = deployment([IMAGE], yaml, files);
    expect(() => loadLabelledData(made)).toThrow(message);
  });

  it.each([
    ['x.jsonl:1 is not JSON', 'nonsense'],
    ['x.jsonl:1 has no inputs', '[1, 2]'],
    ['x.jsonl:1 inputs.ids: is missing; the models need ids', '{"inputs": {}}'],
    ['x.jsonl:1 inputs.ids[1] is 1.5; expected a whole number', '{"inputs": {"ids": [1, 1.5]}}'],
    ['x.jsonl:1 inputs.idz: no model has this input', '{"inputs": {"idz": [1]}}'],
    ['x.jsonl:1 label is 3; expected 0 to 2, as there are 3 classes', '{"inputs": {"ids": [1]}, "label": 3}'],
    ['x.jsonl:2 label: is missing', '{"inputs": {"ids": [1]}, "label": 1}\n{"inputs": {"ids": [1]}}'],
    ['x.jsonl:2 label: is the first', '{"inputs": {"ids": [1]}}\n{"inputs": {"ids": [1]}, "label": 1}'],
    ['x.jsonl has no samples', '\n'],
  ])('says "%s"', (message, lines) => {
    const made = deployment([IDS], '{ inputs: x.jsonl }', { 'x.jsonl': lines });
    expect(() => loadLabelledData(made)).toThrow(message);
  });

  it('refuses values that are not finite', () => {
    const float: Value = { name: 'x', type: 'float32', shape: ['batch', 2] };
    const made = deployment([float], '{ inputs: { x: x.npy } }', {
      'x.npy': npyFile([2, 2], Float32Array.of(1, 2, Number.NaN, 4)),
    });
    expect(() => loadLabelledData(made)).toThrow('x.npy (data.inputs.x): sample 1 holds NaN');
  });

  it('accepts NaN if the deployment allows it, but never infinity', () => {
    const float: Value = { name: 'x', type: 'float32', shape: ['batch', 2] };
    const read = (...values: number[]) =>
      loadLabelledData(
        deployment(
          [float],
          '{ inputs: { x: x.npy } }',
          { 'x.npy': npyFile([2, 2], Float32Array.from(values)) },
          'inputs: { x: { nan: allow } }',
        ),
      );
    const [value] = read(1, 2, Number.NaN, 4).sample(1);
    expect(new Float32Array(value.data.slice().buffer)).toEqual(Float32Array.of(Number.NaN, 4));
    expect(() => read(1, 2, 3, 1 / 0)).toThrow('x.npy (data.inputs.x): sample 1 holds Infinity');
  });

  it('reads strings, booleans, and half-precision numbers from wider ones', () => {
    const inputs: Value[] = [
      { name: 'text', type: 'string', shape: ['batch', 1] },
      { name: 'mask', type: 'bool', shape: ['batch', 2] },
      { name: 'x', type: 'float16', shape: ['batch'] },
    ];
    const data = loadLabelledData(
      deployment(inputs, '{ inputs: { text: text.npy, mask: mask.npy, x: x.npy } }', {
        'text.npy': npyTexts([2, 1], ['a', 'grüße']),
        'mask.npy': npyFile([2, 2], Uint8Array.of(0, 1, 1, 0), { dtype: 'bool' }),
        'x.npy': npyFile([2], Float64Array.of(1, -0.5)),
      }),
    );
    expect(data.sample(1)).toEqual([
      { data: encodeStrings(['grüße']), shape: [1] },
      { data: Uint8Array.of(1, 0), shape: [2] },
      { data: new Uint8Array(Uint16Array.of(toFloat16(-0.5)).buffer), shape: [] },
    ]);
  });

  it('says what to save if the models accept only one shape of strings', () => {
    const made = deployment([{ name: 'text', type: 'string', shape: ['batch', 1] }], '{ inputs: { text: x.npy } }', {
      'x.npy': npyFile([2, 1], Int32Array.of(1, 2)),
    });
    expect(() => loadLabelledData(made)).toThrow(
      'x.npy (data.inputs.text) is int32[2, 1], but the models need string[samples, 1]: save array.astype(str)',
    );
  });
});
