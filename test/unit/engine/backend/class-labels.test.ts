import { expect, test } from 'vitest';
import { classLabelsOf } from '../../../../engine/backend/class-labels.ts';
import type { GraphNode } from '../../../../engine/backend/onnx-node.ts';

/** A node with classes below 128: field 8 of the attribute, once per class. */
const node = (op: string, classes: readonly number[]): GraphNode => ({
  op,
  inputs: [],
  outputs: [],
  attributes: new Map([['classlabels_int64s', Uint8Array.from(classes.flatMap((label) => [8 << 3, label]))]]),
});

test.each<[string, GraphNode[], number[] | undefined]>([
  ['those of the only classifier', [node('LinearClassifier', [3, 7])], [3, 7]],
  ['those of the ZipMap, not of classifiers inside', [node('LinearClassifier', [0, 1]), node('ZipMap', [3, 7])], [3, 7]],
  [
    'none of several classifiers, even if they agree: one against the rest',
    [1, 2, 3].map(() => node('SVMClassifier', [0, 1])),
    undefined,
  ],
  ['none of a graph without any', [node('MatMul', [])], undefined],
])('classes: %s', (_, nodes, expected) => {
  expect(classLabelsOf(nodes)).toEqual(expected);
});
