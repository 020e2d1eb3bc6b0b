import type { Graph, OnnxNode, Value } from '../../fixtures/onnx-writer.ts';

/** The smallest possible graphs: the scores are the two inputs. */

type Type = Exclude<Value['type'], 'maps' | 'named maps'>;

const SCORES: Value = { name: 'scores', type: 'float32', shape: ['N', 2] };
const IDENTITY: OnnxNode = { op: 'Identity', inputs: ['x'], outputs: ['scores'] };

export function plain(shape: Value['shape'], output: Value = SCORES): Graph {
  return { inputs: [{ name: 'x', type: 'float32', shape }], outputs: [output], weights: [], nodes: [IDENTITY] };
}

const CAST_TO: Readonly<Partial<Record<Type, number>>> = { float32: 1, float16: 10, float64: 11 };

/** Input and output have other types. */
export function typed(from: Type, to: 'float16' | 'float32' | 'float64' = 'float32'): Graph {
  return {
    inputs: [{ name: 'x', type: from, shape: ['N', 2] }],
    outputs: [{ ...SCORES, type: to }],
    weights: [],
    nodes: [{ op: 'Cast', inputs: ['x'], outputs: ['scores'], attributes: { to: CAST_TO[to] ?? 0 } }],
  };
}

/** Reshapes its scores to a fixed shape, whatever the batch. */
export function reshaped(shape: readonly number[], output: Value = SCORES): Graph {
  return {
    ...plain(['N', 2], output),
    weights: [{ name: 'shape', dims: [shape.length], data: BigInt64Array.from(shape, BigInt) }],
    nodes: [{ op: 'Reshape', inputs: ['x', 'shape'], outputs: ['scores'] }],
  };
}

/** One number in; two columns out, the number and its negative. */
export function oneColumn(inputShape: Value['shape'], name = 'x'): Graph {
  return {
    inputs: [{ name, type: 'float32', shape: inputShape }],
    outputs: [SCORES],
    weights: [{ name: 'column', dims: [2], data: BigInt64Array.of(-1n, 1n) }],
    nodes: [
      { op: 'Reshape', inputs: [name, 'column'], outputs: ['one'] },
      { op: 'Neg', inputs: ['one'], outputs: ['negative'] },
      { op: 'Concat', inputs: ['one', 'negative'], outputs: ['scores'], attributes: { axis: 1 } },
    ],
  };
}

/** Like a text pipeline from scikit-learn's converter: lower case, then a number for each known word. */
export const TEXTS: Graph = {
  ...oneColumn(['N', 1]),
  inputs: [{ name: 'text', type: 'string', shape: ['N', 1] }],
  weights: [
    { name: 'column', dims: [2], data: BigInt64Array.of(-1n, 1n) },
    { name: 'flat', dims: [1], data: BigInt64Array.of(-1n) },
  ],
  nodes: [
    { op: 'Reshape', inputs: ['text', 'flat'], outputs: ['words'] },
    {
      op: 'StringNormalizer',
      inputs: ['words'],
      outputs: ['lower'],
      attributes: { case_change_action: 'LOWER', is_case_sensitive: 0 },
    },
    {
      op: 'LabelEncoder',
      domain: 'ai.onnx.ml',
      inputs: ['lower'],
      outputs: ['x'],
      attributes: { keys_strings: ['good', 'grün'], values_floats: Float32Array.of(1, 2) },
    },
    ...oneColumn(['N', 1]).nodes,
  ],
};

/** Ends like the default exports of scikit-learn and LightGBM. */
export function zipMap(labels: readonly number[] | readonly string[]): Graph {
  const isNamed = typeof labels[0] === 'string';
  return {
    inputs: [{ name: 'x', type: 'float32', shape: ['', 2] }],
    outputs: [
      { name: 'output_label', type: 'int64', shape: [''] },
      { name: 'output_probability', type: isNamed ? 'named maps' : 'maps' },
    ],
    weights: [],
    nodes: [
      { op: 'ArgMax', inputs: ['x'], outputs: ['output_label'], attributes: { axis: 1, keepdims: 0 } },
      { op: 'Identity', inputs: ['x'], outputs: ['probabilities'] },
      {
        op: 'ZipMap',
        domain: 'ai.onnx.ml',
        inputs: ['probabilities'],
        outputs: ['output_probability'],
        attributes: { [isNamed ? 'classlabels_strings' : 'classlabels_int64s']: labels },
      },
    ],
  };
}

/** A table of three words. */
export const VOCABULARY: Graph = {
  inputs: [{ name: 'x', type: 'int64', shape: ['N'] }],
  outputs: [SCORES],
  weights: [{ name: 'table', dims: [3, 2], data: Float32Array.of(1, 0, 0, 1, 1, 1) }],
  nodes: [{ op: 'Gather', inputs: ['table', 'x'], outputs: ['scores'] }],
};
