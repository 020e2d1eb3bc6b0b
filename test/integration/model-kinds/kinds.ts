import type { Graph, Value } from '../../fixtures/onnx-writer.ts';
import { oneColumn, plain, reshaped, TEXTS, typed, VOCABULARY, zipMap } from './graphs.ts';

/** A kind of model: a row of docs/models.md, and a test that it is served or refused as the row says. */
export interface Kind {
  readonly what: string;
  /** Tools that make such models. */
  readonly from?: string;
  readonly models: readonly { readonly graph: Graph; readonly yaml?: string }[];
  readonly opsets?: Readonly<Record<string, number>>;
  /** Lines of the deployment that make it work. */
  readonly yaml?: string;
  /** The inputs of a request. */
  readonly samples: readonly Readonly<Record<string, unknown>>[];
  readonly outcome: Served | { readonly type: 'refused'; readonly message: string };
}

interface Served {
  readonly type: 'served';
  /** A word or two for the table. */
  readonly how?: string;
  /** Per sample; default: the values of input x. */
  readonly scores?: readonly (readonly number[])[];
  readonly classLabels?: readonly (string | number)[];
}

const served: Served = { type: 'served' };
const refused = (message: string) => ({ type: 'refused', message }) as const;
const NUMBERS = [{ x: [1, 2] }, { x: [3, 5] }, { x: [8, -13] }];
const WHOLE = [{ x: [1, 2] }, { x: [3, 5] }, { x: [8, 13] }];
const SIGNED = [{ x: [1] }, { x: [-2] }, { x: [3] }];
const SIGNED_SCORES = [
  [1, -1],
  [-2, 2],
  [3, -3],
];
const MISSING = [{ x: [1, 2] }, { x: [null, 5] }];
const scores = (type: Value['type'], shape?: Value['shape']): Value => ({ name: 'scores', type, shape });
const one = (graph: Graph, yaml?: string) => [yaml === undefined ? { graph } : { graph, yaml }];
const ml = { '': 13, 'ai.onnx.ml': 2 };

export const KINDS: Readonly<Record<string, readonly Kind[]>> = {
  'Batch axis': [
    { what: 'a name', from: 'PyTorch with `dynamic_axes`', models: one(plain(['N', 2])), samples: NUMBERS, outcome: served },
    { what: 'neither name nor number', from: 'skl2onnx', models: one(plain(['', 2])), samples: NUMBERS, outcome: served },
    { what: '-1', from: 'older converters', models: one(plain([-1, 2])), samples: NUMBERS, outcome: served },
    {
      what: 'fixed at 1',
      from: 'PyTorch without `dynamic_axes`',
      models: one(plain([1, 2], scores('float32', [1, 2]))),
      samples: NUMBERS,
      outcome: { ...served, how: 'one by one' },
    },
    {
      what: 'fixed at 2',
      models: one(plain([2, 2])),
      samples: NUMBERS,
      outcome: { ...served, how: 'in batches of at most 2; smaller ones are filled up' },
    },
    {
      what: 'fixed at different sizes',
      models: one({ ...plain([2, 2]), inputs: [...plain([2, 2]).inputs, { name: 'y', type: 'float32', shape: [3, 2] }] }),
      samples: [{ x: [1, 2], y: [1, 2] }],
      outcome: refused('input x has its batch axis (the first) fixed at 2, input y at 3; export the model with one batch size'),
    },
    {
      what: 'a name, but a Reshape to a batch of 1 inside',
      models: one(reshaped([1, 2])),
      samples: NUMBERS,
      outcome: refused('can run 2 samples one by one, but fails on them as a batch: model m0: Reshape:'),
    },
    {
      what: 'the same with `maxBatch: 1`',
      models: one(reshaped([1, 2]), 'maxBatch: 1'),
      samples: NUMBERS,
      outcome: { ...served, how: 'one by one' },
    },
    {
      what: 'a name, but a Reshape to a batch of 2 inside',
      models: one(reshaped([2, 2])),
      samples: NUMBERS,
      outcome: refused('model m0 fails on one sample, but runs on 2: model m0: Reshape:'),
    },
    {
      what: 'none: an input without axes',
      models: one(plain([])),
      samples: [{ x: 1 }],
      outcome: refused('input x has no axes; export the model with a batch axis, the first'),
    },
  ],
  Inputs: [
    ...(['uint8', 'int32', 'int64', 'float64', 'float16'] as const).map((type) => ({
      what: type,
      models: one(typed(type)),
      samples: WHOLE,
      outcome: served,
    })),
    {
      what: 'bool, as `true` and `false` or 1 and 0',
      models: one(typed('bool')),
      samples: [{ x: [true, false] }, { x: [0, 1] }],
      outcome: {
        ...served,
        scores: [
          [1, 0],
          [0, 1],
        ],
      },
    },
    {
      what: 'string',
      from: 'text pipelines of scikit-learn',
      models: one(TEXTS),
      opsets: ml,
      samples: [{ text: ['Good'] }, { text: 'GRÜN' }],
      outcome: {
        ...served,
        scores: [
          [1, -1],
          [2, -2],
        ],
      },
    },
    {
      what: 'one number per sample, `[N]`',
      models: one(oneColumn(['N'])),
      samples: [{ x: 1 }, { x: -2 }, { x: 3 }],
      outcome: { ...served, scores: SIGNED_SCORES },
    },
    {
      what: 'one column, `[N, 1]`',
      models: one(oneColumn(['N', 1])),
      samples: SIGNED,
      outcome: { ...served, scores: SIGNED_SCORES },
    },
    {
      what: 'features that are missing, as NaN',
      from: 'XGBoost, LightGBM',
      models: one(plain(['N', 2])),
      samples: MISSING,
      outcome: refused('inputs.x[0] is null; expected a number (float32)'),
    },
    {
      what: 'the same with `inputs: { x: { nan: allow } }`',
      models: one(plain(['N', 2])),
      yaml: 'inputs: { x: { nan: allow } }',
      samples: MISSING,
      outcome: {
        ...served,
        how: 'NaN in MessagePack and .npy, `null` in JSON',
        scores: [
          [1, 2],
          [Number.NaN, 5],
        ],
      },
    },
    {
      what: 'other names in one of the models, with `inputs: { picture: x }` at that model',
      models: [{ graph: oneColumn(['N', 1]) }, { graph: oneColumn(['N', 1], 'picture'), yaml: 'inputs: { picture: x }' }],
      samples: SIGNED,
      outcome: { ...served, scores: SIGNED_SCORES },
    },
    {
      what: 'other resolutions in one of the models, under one name',
      models: [{ graph: plain(['N', 2]) }, { graph: oneColumn(['N', 1]) }],
      samples: NUMBERS,
      outcome: refused('input x is float32[2] in model m0 and float32[1] in model m1'),
    },
    {
      what: 'the same with `inputs: { x: small }` at that model, and both in the samples',
      models: [{ graph: plain(['N', 2]) }, { graph: oneColumn(['N', 1]), yaml: 'inputs: { x: small }' }],
      samples: [
        { x: [1, -1], small: [1] },
        { x: [-2, 2], small: [-2] },
      ],
      outcome: { ...served, scores: SIGNED_SCORES.slice(0, 2) },
    },
    {
      what: 'not a tensor: sequences, maps',
      models: one({ ...plain(['N', 2]), inputs: [{ name: 'x', type: 'maps' }] }),
      samples: NUMBERS,
      outcome: refused('input x is not a tensor; export the model with one of uint8, int8'),
    },
    {
      what: 'a token beyond the vocabulary',
      models: one(VOCABULARY),
      samples: [{ x: 1 }, { x: 7 }],
      outcome: refused('sample 1 of the data: model m0: cannot take this sample: Gather: indices element out of data bounds'),
    },
  ],
  Outputs: [
    { what: 'float16 scores', models: one(typed('float32', 'float16')), samples: NUMBERS, outcome: served },
    { what: 'float64 scores', models: one(typed('float32', 'float64')), samples: NUMBERS, outcome: served },
    {
      what: '`[N, C, 1, 1]`',
      from: 'convolutional heads',
      models: one(reshaped([-1, 2, 1, 1], scores('float32', ['N', 2, 1, 1]))),
      samples: NUMBERS,
      outcome: served,
    },
    {
      what: '`[N, 1, C]`',
      from: 'recurrent heads',
      models: one(reshaped([-1, 1, 2], scores('float32', ['N', 1, 2]))),
      samples: NUMBERS,
      outcome: served,
    },
    { what: 'no declared shape', models: one(plain(['N', 2], scores('float32'))), samples: NUMBERS, outcome: served },
    {
      what: 'a label, then probabilities',
      from: 'skl2onnx with `zipmap: False`, XGBoost',
      models: one({
        ...plain(['N', 2]),
        outputs: [
          { name: 'label', type: 'int64', shape: ['N'] },
          { name: 'scores', type: 'float32', shape: ['N', 2] },
        ],
        nodes: [
          ...plain(['N', 2]).nodes,
          { op: 'ArgMax', inputs: ['x'], outputs: ['label'], attributes: { axis: 1, keepdims: 0 } },
        ],
      }),
      samples: NUMBERS,
      outcome: served,
    },
    {
      what: 'a map from class to probability (ZipMap)',
      from: 'default export of scikit-learn and LightGBM',
      models: one(zipMap([-1, 1])),
      opsets: ml,
      samples: NUMBERS,
      outcome: { ...served, how: 'from the scores that go into the ZipMap', classLabels: [-1, 1] },
    },
    {
      what: 'the same with classes that have names',
      models: one(zipMap(['ham', 'spam'])),
      opsets: { 'ai.onnx.ml': 2, '': 13 },
      samples: NUMBERS,
      outcome: { ...served, classLabels: ['ham', 'spam'] },
    },
    {
      what: 'one column, `[N, 1]`, with `task: binary`',
      from: 'a sigmoid at the end',
      models: one(plain(['N', 1], scores('float32', ['N', 1]))),
      yaml: 'task: binary',
      samples: SIGNED,
      outcome: served,
    },
    {
      what: 'one number per sample, `[N]`, with `task: binary`',
      models: one(plain(['N'], scores('float32', ['N']))),
      yaml: 'task: binary',
      samples: [{ x: 1 }, { x: -2 }],
      outcome: { ...served, scores: [[1], [-2]] },
    },
    {
      what: 'one number per sample, with `task: regression` and `tolerance`',
      from: 'regressors of scikit-learn',
      models: one({
        ...plain(['N', 1], scores('float32', ['N', 1])),
        outputs: [scores('float32', ['N', 1]), { name: 'sure', type: 'float32', shape: ['N', 1] }],
        nodes: [
          { op: 'Identity', inputs: ['x'], outputs: ['scores'] },
          { op: 'Sigmoid', inputs: ['x'], outputs: ['sure'] },
        ],
      }),
      yaml: 'task: regression\ntolerance: 0.5\ncertainty: { output: sure }',
      samples: SIGNED,
      outcome: served,
    },
    {
      what: 'several that might be scores, with `output: scores`',
      from: 'networks that also give their features',
      models: one({
        ...plain(['N', 2]),
        outputs: [
          { name: 'features', type: 'float32', shape: ['N', 2] },
          { name: 'scores', type: 'float32', shape: ['N', 2] },
        ],
        nodes: [...plain(['N', 2]).nodes, { op: 'Neg', inputs: ['x'], outputs: ['features'] }],
      }),
      yaml: 'output: scores',
      samples: NUMBERS,
      outcome: served,
    },
    {
      what: 'random: another answer each time',
      from: 'PyTorch in training mode, with dropout',
      models: one({
        ...plain(['N', 2]),
        nodes: [
          { op: 'RandomNormalLike', inputs: ['x'], outputs: ['noise'] },
          { op: 'Add', inputs: ['x', 'noise'], outputs: ['scores'] },
        ],
      }),
      samples: NUMBERS,
      outcome: refused('model m0: answers are random: 3 of 3 samples have different scores when run again, alone'),
    },
    {
      what: 'labels only',
      models: one({
        ...plain(['N', 2], { name: 'label', type: 'int64', shape: ['N'] }),
        nodes: [{ op: 'ArgMax', inputs: ['x'], outputs: ['label'], attributes: { axis: 1, keepdims: 0 } }],
      }),
      samples: NUMBERS,
      outcome: refused(
        'has no output of class scores, float16, float32, float64 [batch, classes]; its outputs are label int64[batch]',
      ),
    },
  ],
};
