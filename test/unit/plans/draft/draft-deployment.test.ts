import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { afterEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadLabelledData } from '../../../../plans/data/load-labelled-data.ts';
import { loadDeployment } from '../../../../plans/domain/deployment/read-deployment.ts';
import { draftDeployment } from '../../../../plans/draft/draft-deployment.ts';
import { npyFile, npyTexts } from '../../../fixtures/npy-writer.ts';
import { type Files, folderWith, modelOf } from '../../../support/folders.ts';

/** Only the folders matter here: no model is run. */
const NO_TRIAL = async () => [];

const made: string[] = [];
afterEach(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true });
});

async function draft(files: Files) {
  const folder = folderWith(files);
  made.push(folder);
  return { folder, ...(await draftDeployment(folder, NO_TRIAL)) };
}

/** The data section of the draft, which must parse, and the labels. */
async function dataOf(files: Files) {
  const { folder, yaml, notes, passedOver } = await draft(files);
  writeFileSync(join(folder, 'deployment.yaml'), yaml);
  const { inputs, labels } = (parse(yaml) as { data: { inputs: unknown; labels?: string } }).data;
  return { yaml, inputs, labels, notes, passedOver, read: loadLabelledData(loadDeployment(folder)).labels };
}

const M = { 'm.onnx': modelOf() };
const X = npyFile([4, 2], Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7));
const Y = npyFile([4], BigInt64Array.of(0n, 1n, 1n, 0n));
const READ = Int32Array.of(0, 1, 1, 0);
const LINES = '{"inputs": {"x": [0, 1]}, "label": 0}\n{"inputs": {"x": [2, 3]}, "label": 1}\n';

describe('the draft finds data:', () => {
  it.each<[string, Files, { inputs: unknown; labels?: string }]>([
    ['arrays in the folder', { 'x.npy': X, 'y.npy': Y }, { inputs: { x: 'x.npy' }, labels: 'y.npy' }],
    ['arrays in folders below', { 'data/x.npy': X, 'data/y.npy': Y }, { inputs: { x: 'data/x.npy' }, labels: 'data/y.npy' }],
    [
      'arrays of another type',
      { 'x.npy': npyFile([4, 2], new Float64Array(8)), 'y.npy': npyFile([4, 1], Float32Array.of(0, 1, 1, 0)) },
      { inputs: { x: 'x.npy' }, labels: 'y.npy' },
    ],
    [
      'an archive, with labels beside it',
      { 'data.npz': zipSync({ 'x.npy': X }), 'labels.npy': Y },
      { inputs: { x: 'data.npz#x' }, labels: 'labels.npy' },
    ],
    [
      'an archive with a member that cannot be read',
      { 'data.npz': zipSync({ 'meta.npy': npyFile([1], Float64Array.of(1), { descr: '|O' }), 'x.npy': X, 'y.npy': Y }) },
      { inputs: { x: 'data.npz#x' }, labels: 'data.npz#y' },
    ],
    [
      'the test arrays of an archive as Keras has them',
      { 'mnist.npz': zipSync({ 'x_train.npy': X, 'y_train.npy': Y, 'x_test.npy': X, 'y_test.npy': Y }) },
      { inputs: { x: 'mnist.npz#x_test' }, labels: 'mnist.npz#y_test' },
    ],
    [
      'test arrays, not training arrays',
      { 'X_train.npy': X, 'y_train.npy': Y, 'X_test.npy': X, 'y_test.npy': Y },
      { inputs: { x: 'X_test.npy' }, labels: 'y_test.npy' },
    ],
    [
      'arrays in a folder of test data',
      { 'train/x.npy': X, 'train/y.npy': Y, 'test/x.npy': X, 'test/y.npy': Y },
      { inputs: { x: 'test/x.npy' }, labels: 'test/y.npy' },
    ],
    [
      'arrays, not groups beside their labels',
      { 'a-groups.npy': Y, 'x.npy': X, 'target.npy': Y },
      { inputs: { x: 'x.npy' }, labels: 'target.npy' },
    ],
    [
      'names of classes',
      { 'x.npy': X, 'y.csv': 'id,kind\n1,ant\n2,bee\n3,bee\n4,ant\n' },
      { inputs: { x: 'x.npy' }, labels: 'y.csv#kind' },
    ],
    [
      'a table',
      { 'iris.csv': 'a,b,kind\n1,2,ant\n3,4,bee\n5,6,bee\n7,8,ant\n' },
      { inputs: 'iris.csv', labels: 'iris.csv#kind' },
    ],
    ['JSON lines', { 'data.jsonl': `${LINES}${LINES.split('\n').reverse().join('\n').trim()}\n` }, { inputs: 'data.jsonl' }],
    [
      'records, one per line',
      {
        'data.jsonl':
          '{"a": 1, "b": 2, "kind": "ant"}\n{"a": 3, "b": 4, "kind": "bee"}\n{"a": 5, "b": 6, "kind": "bee"}\n{"a": 7, "b": 8, "kind": "ant"}\n',
      },
      { inputs: 'data.jsonl', labels: 'data.jsonl#kind' },
    ],
    [
      'records in a .json file, not the settings beside it',
      {
        'test.json':
          '{"x": [1, 2], "label": 0}\n{"x": [3, 4], "label": 1}\n{"x": [5, 6], "label": 1}\n{"x": [7, 8], "label": 0}\n',
        'config.json': '{\n  "a": 1\n}\n',
      },
      { inputs: 'test.json', labels: 'test.json#label' },
    ],
    [
      'arrays, not a log beside them',
      { 'log.jsonl': '{"epoch": 1}\n', 'x.npy': X, 'y.npy': Y },
      { inputs: { x: 'x.npy' }, labels: 'y.npy' },
    ],
    [
      'labelled lines, not arrays without labels',
      { 'x.npy': X, 'd.jsonl': `${LINES}${LINES.split('\n').reverse().join('\n').trim()}\n` },
      { inputs: 'd.jsonl' },
    ],
  ])('%s', async (_, files, expected) => {
    const { inputs, labels, read } = await dataOf({ ...M, ...files });
    expect({ inputs, ...(labels === undefined ? {} : { labels }) }).toEqual(expected);
    expect(read).toEqual(READ);
  });

  it('that it distinguishes from training data, saying so', async () => {
    const arrays = { 'x_train.npy': X, 'y_train.npy': Y };
    expect((await dataOf({ ...M, ...arrays, 'x_test.npy': X, 'y_test.npy': Y })).notes).toContainEqual(
      expect.stringContaining('x_train.npy: training data, not used'),
    );
    const only = await dataOf({ ...M, ...arrays });
    expect(only.inputs).toEqual({ x: 'x_train.npy' });
    expect(only.notes).toContainEqual(expect.stringContaining('x_train.npy: training data, because there are no others'));
  });

  it('that it explains: pixels read as fractions, missing labels', async () => {
    const { notes } = await dataOf({ ...M, 'x.npy': npyFile([4, 2], new Uint8Array(8)) });
    expect(notes).toContainEqual(expect.stringContaining('x.npy is uint8, and is read as float32'));
    expect(notes).toContainEqual(expect.stringContaining('Found no labels'));
  });
});

describe('the draft reports skipped files', () => {
  it.each<[string, Files]>([
    [
      'log.jsonl: not used: has 1 column of numbers; the models need x float32[2]; its columns are epoch',
      { 'log.jsonl': '{"epoch": 1}\n' },
    ],
    ['log.jsonl: not used: line 1 has no inputs', { 'log.jsonl': '[1]\n' }],
    [
      'x2.npy: not used: holds 12 bytes, but its header says float32[4, 2], which needs 32; copy it again',
      { 'x2.npy': X.slice(0, -20) },
    ],
    ['labels.npy: not used: is int64[3], but there are 4 samples', { 'labels.npy': npyFile([3], BigInt64Array.of(0n, 1n, 0n)) }],
    ['x2.npy: not used: other data also fit', { 'x2.npy': X }],
    [
      'ids.npz: not used: is float64[4]: neither the samples nor',
      { 'ids.npz': zipSync({ 'a.npy': npyFile([4], Float64Array.of(1, 2, 3, 4)) }) },
    ],
    [
      'x2.npy: not used: is a Git LFS pointer, not the file itself; run `git lfs pull`',
      { 'x2.npy': 'version https://git-lfs.github.com/spec/v1\noid x\n' },
    ],
    ['x2.npy: not used: is empty; copy it again', { 'x2.npy': '' }],
    ['x2.npy: not used: is a zip archive; unzip it', { 'x2.npy': zipSync({ a: Uint8Array.of(1) }) }],
    ['x2.npy: not used: holds pickled Python objects', { 'x2.npy': npyFile([1], Float64Array.of(1), { descr: '|O' }) }],
    ['m2.onnx: not used: is a Git LFS pointer', { 'm2.onnx': 'version https://git-lfs.github.com/spec/v1\n' }],
    ['m2.onnx: not used: is a web page', { 'm2.onnx': '<!DOCTYPE html><html>' }],
    ['m2.onnx: not used: is not an ONNX model', { 'm2.onnx': 'something else' }],
    [
      'm2.onnx: not used: takes z float32[3], but m takes x float32[2]',
      { 'm2.onnx': modelOf({ inputs: [{ name: 'z', type: 'float32', shape: ['n', 3] }] }), 'm3.onnx': modelOf() },
    ],
    ['t.csv: not used: row 2 has 1 cells, but the first row has 2', { 't.csv': 'a,b\n1\n' }],
    ['t.parquet: not used: cannot be read as a Parquet file', { 't.parquet': 'PAR1' }],
    [
      't.csv: not used: each of the columns label, y may be the label; name it, such as `labels: FILE#label`',
      { 't.csv': 'x,y,label\n1,2,0\n' },
    ],
    ['d.jsonl: not used: other data also fit', { 'd.jsonl': LINES }],
  ])('%s', async (line, files) => {
    const { passedOver, inputs } = await dataOf({ ...M, 'x.npy': X, 'y.npy': Y, ...files });
    expect(passedOver).toContainEqual(expect.stringContaining(line));
    expect(inputs).toEqual({ x: 'x.npy' });
  });

  it('if links are broken', async () => {
    const folder = folderWith({ ...M, 'x.npy': X, 'y.npy': Y });
    made.push(folder);
    for (const name of ['m2.onnx', 'x2.npy', 't.csv', 'd.jsonl']) symlinkSync('/nowhere', join(folder, name));
    const { passedOver } = await draftDeployment(folder, NO_TRIAL);
    const what = 'is a link to a file that does not exist; copy the file itself, or download it again';
    expect(passedOver.toSorted()).toEqual(['d.jsonl', 'm2.onnx', 't.csv', 'x2.npy'].map((name) => `${name}: not used: ${what}`));
  });

  it('if inputs have different numbers of samples', async () => {
    const two = modelOf({
      inputs: [
        { name: 'x', type: 'float32', shape: ['n', 2] },
        { name: 'z', type: 'float32', shape: ['n', 3] },
      ],
    });
    const { notes } = await draft({ 'm.onnx': two, 'x.npy': X, 'z.npy': npyFile([3, 3], new Float32Array(9)) });
    expect(notes).toContainEqual(
      expect.stringContaining('x.npy is float32[4, 2], but no array for z has as many samples: z.npy is float32[3, 3]'),
    );
  });

  it('if nothing fits beside broken links to files of other tools', async () => {
    const folder = folderWith(M);
    made.push(folder);
    symlinkSync('/nowhere', join(folder, 'pytorch_model.bin'));
    symlinkSync('itself.npy', join(folder, 'itself.npy'));
    const { notes, passedOver } = await draftDeployment(folder, NO_TRIAL);
    expect(notes).toContainEqual(expect.stringContaining('pytorch_model.bin is a link to a file that does not exist'));
    expect(passedOver).toEqual([expect.stringMatching(/^itself.npy: not used: cannot be read: ELOOP/)]);
  });

  it('if inputs are told apart by shape or order alone', async () => {
    const two = modelOf({
      inputs: [
        { name: 'left', type: 'float32', shape: ['n', 2] },
        { name: 'right', type: 'float32', shape: ['n', 2] },
      ],
    });
    const guessed = await draft({ 'm.onnx': two, 'a.npy': X, 'b.npy': X, 'y.npy': Y });
    expect(guessed.notes).toContainEqual(expect.stringContaining('a.npy as left, b.npy as right: guessed from shapes and order'));
    const named = await draft({ 'm.onnx': two, 'x_left.npy': X, 'x_right.npy': X, 'y.npy': Y });
    expect(named.notes.join()).not.toContain('guessed');
  });

  it('if channels are last in the data and first in the models', async () => {
    const images = modelOf({ inputs: [{ name: 'x', type: 'float32', shape: ['n', 3, 4, 5] }] });
    const { notes } = await draft({ 'm.onnx': images, 'x.npy': npyFile([2, 4, 5, 3], new Float32Array(120)) });
    expect(notes).toContainEqual(expect.stringContaining('need x float32[samples, 3, 4, 5]: save array.transpose(0, 3, 1, 2)'));
  });

  it('if no data fit: each candidate, and why it was not used', async () => {
    const { notes, yaml } = await draft({
      ...M,
      'x.npy': npyFile([4, 3], new Float64Array(12)),
      'x.h5': '\x89HDF\r\n',
      'data.zip': zipSync({ a: Uint8Array.of(1) }),
    });
    expect(parse(yaml)).not.toHaveProperty('data');
    expect(notes).toContainEqual(
      expect.stringContaining(
        'Found no data that fit the models, which need x float32[samples, 2]; add `data: { inputs: { x: FILE.npy }',
      ),
    );
    expect(notes).toContainEqual(expect.stringContaining('x.npy is float64[4, 3], but the models need x float32[samples, 2]'));
    expect(notes).toContainEqual(expect.stringContaining('data.zip is a zip archive; unzip it'));
  });

  it.each<[string, Files]>([
    ['holds no .onnx files (looked there and in its subfolders)', { 'readme.txt': 'x' }],
    [
      'model.safetensors holds safetensors: weights without a graph; export the model to ONNX',
      { 'model.safetensors': Buffer.concat([Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0), Buffer.from('{"a": 1}')]) },
    ],
    ['model.pt is a PyTorch checkpoint', { 'model.pt': zipSync({ 'model/data.pkl': Uint8Array.of(1) }) }],
    ['model.pkl is a Python pickle', { 'model.pkl': Uint8Array.of(0x80, 4, 0x95) }],
    [
      'holds no .onnx file that can be served\n  - m.onnx: not used: is a Git LFS pointer',
      { 'm.onnx': 'version https://git-lfs.github.com/spec/v1\n' },
    ],
    ['holds no .onnx files', { '.git/m.onnx': modelOf(), 'node_modules/p/m.onnx': modelOf() }],
  ])('if there are no models: %s', async (message, files) => {
    await expect(draft(files)).rejects.toThrow(message);
  });
});

describe('the draft lists models:', () => {
  const models = async (files: Files) => (parse((await draft(files)).yaml) as { models: unknown }).models;

  it('ordered by size and named by their files', async () => {
    expect(await models({ 'models/large one.onnx': modelOf({ bytes: 4000 }), 'small.onnx': modelOf() })).toEqual([
      { name: 'small', file: 'small.onnx' },
      { name: 'large-one', file: 'models/large one.onnx' },
    ]);
  });

  it('the newest versions of a Triton repository, with its batch sizes', async () => {
    const { yaml, passedOver } = await draft({
      'model_repository/tiny/config.pbtxt':
        'platform: "onnxruntime_onnx"\nmax_batch_size: 8 # each\ninput [\n  {\n    name: "input__0"\n  }\n]\noutput [ { name: "scores" label_filename: "labels.txt" } ]\n',
      'model_repository/tiny/labels.txt': 'cat\ndog\n',
      'model_repository/tiny/1/model.onnx': modelOf(),
      'model_repository/tiny/10/model.onnx': modelOf(),
      'model_repository/tiny/9/model.onnx': modelOf(),
      'model_repository/large/2/model.onnx': modelOf({ bytes: 400 }),
    });
    expect(parse(yaml)).toMatchObject({
      models: [
        { name: 'tiny', file: 'model_repository/tiny/10/model.onnx', maxBatch: 8 },
        { name: 'large', file: 'model_repository/large/2/model.onnx' },
      ],
      classes: ['cat', 'dog'],
    });
    expect(passedOver).toEqual(
      ['1', '9'].map((version) => `model_repository/tiny/${version}/model.onnx: not used: version 10 is newer`),
    );
  });

  it('those of Hugging Face folders, with their class names', async () => {
    const { yaml } = await draft({
      'tiny-bert/config.json': '{"id2label": {"0": "negative", "1": "positive"}}',
      'tiny-bert/model.safetensors': 'x',
      'tiny-bert/onnx/model.onnx': modelOf(),
      'bert/onnx/model.onnx': modelOf({ bytes: 800 }),
      'bert/onnx/model_quantized.onnx': modelOf({ bytes: 400 }),
    });
    expect(parse(yaml)).toMatchObject({
      models: [
        { name: 'tiny-bert', file: 'tiny-bert/onnx/model.onnx' },
        { name: 'model_quantized', file: 'bert/onnx/model_quantized.onnx' },
        { name: 'bert', file: 'bert/onnx/model.onnx' },
      ],
      classes: ['negative', 'positive'],
    });
    expect(await models({ 'config.json': '{"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}', 'model.onnx': modelOf() })).toEqual([
      { name: 'model', file: 'model.onnx' },
    ]);
  });

  it('distinguished if they have the same name', async () => {
    expect(
      await models({ 'a/net.onnx': modelOf(), 'b/net.onnx': modelOf(), 'c/x/net.onnx': modelOf(), 'd/x/net.onnx': modelOf() }),
    ).toMatchObject([{ name: 'a-net' }, { name: 'b-net' }, { name: 'x-net' }, { name: 'x-net-2' }]);
  });
});

it('with ragged inputs, which are not padded, saying when they may be', async () => {
  const ids = { name: 'ids', type: 'int64', shape: ['batch', 'tokens'] } as const;
  const { yaml, notes } = await draft({ 'm.onnx': modelOf({ inputs: [ids] }) });
  expect(parse(yaml)).not.toHaveProperty('inputs');
  expect(yaml).toContain('# inputs: { ids: { pad: 0 } }');
  expect(notes).toContainEqual(expect.stringContaining('only samples of equal shape share a batch'));
});

it('with an input mapping if a model calls the input something else', async () => {
  const other = modelOf({ inputs: [{ name: 'pixels', type: 'float32', shape: ['n', 2] }], bytes: 400 });
  const { yaml, passedOver } = await draft({ ...M, 'other.onnx': other });
  expect(parse(yaml)).toMatchObject({ models: [{ name: 'm' }, { name: 'other', inputs: { pixels: 'x' } }] });
  expect(passedOver).toEqual([]);
});

it('with missing features (NaN), which are allowed, saying so', async () => {
  const { yaml, notes, read } = await dataOf({
    ...M,
    'x.npy': npyFile([4, 2], Float32Array.of(0, 1, Number.NaN, 3, 4, 5, 6, 7)),
    'y.npy': Y,
  });
  expect(parse(yaml)).toMatchObject({ inputs: { x: { nan: 'allow' } }, data: { inputs: { x: 'x.npy' }, labels: 'y.npy' } });
  expect(notes).toContainEqual(expect.stringContaining('Samples hold NaN in x'));
  expect(read).toEqual(READ);
});

it('with strings for a model that takes strings', async () => {
  const text = modelOf({ inputs: [{ name: 'text', type: 'string', shape: ['n', 1] }] });
  const files = { 'm.onnx': text, 'reviews.csv': 'id,review,label\n1,good,0\n2,bad,1\n3,worse,1\n4,fine,0\n' };
  expect(await dataOf(files)).toMatchObject({ inputs: 'reviews.csv', labels: 'reviews.csv#label', read: READ });
});

/** The deployment that the draft makes, which must be valid. */
async function deploymentOf(files: Files) {
  const { folder, yaml, notes } = await draft(files);
  writeFileSync(join(folder, 'deployment.yaml'), yaml);
  return { folder, notes, deployment: loadDeployment(folder) };
}

it.each([
  [['cat', 'cat', 'cat', 'cat'], 'The labels are names, but all of them are cat, so `classes` is left out.'],
  [['', 'dog', 'dog', 'cat'], 'y.npy (data.labels): label 0 is empty; label all samples'],
])('the draft has no classes for the labels %j, and says why', async (labels, why) => {
  const { notes, deployment } = await deploymentOf({ ...M, 'x.npy': X, 'y.npy': npyTexts([4], labels) });
  expect(notes.join()).toContain(why);
  expect(deployment.classes).toBeUndefined();
});

it('the draft escapes a file name that looks like a variable', async () => {
  const name = `my x \${HOME} #1.npy`;
  const { folder, deployment } = await deploymentOf({ ...M, [name]: X });
  expect(deployment.data?.inputs).toEqual({ x: join(folder, name) });
});

it.each<Files>([
  { 'net/1/model.onnx': modelOf(), 'net/config.pbtxt/a.txt': '' },
  { 'net/1/model.onnx': modelOf(), 'net/config.pbtxt': 'label_filename: "."\n' },
  { ...M, 'config.json/a.txt': '' },
])('a folder in place of a configuration or of labels has no class names: %#', async (files) => {
  expect((await deploymentOf(files)).deployment.classes).toBeUndefined();
});
