import { type GraphNode, listAttribute } from './onnx-node.ts';

/** Attributes of ai.onnx.ml's ZipMap and classifiers that name the classes in the order of the scores. */
const ATTRIBUTES = ['classlabels_strings', 'classlabels_int64s', 'classlabels_ints'];

/**
 * The class names of a model, in the order of the scores: those of its ZipMap, otherwise those of its only classifier. The classifiers
 * inside an ensemble may have classes of their own: 0 and 1 for one against the rest, or numbers in place of the names.
 * @returns undefined if the graph does not name its classes.
 */
export function classLabelsOf(nodes: readonly GraphNode[]): readonly (string | number)[] | undefined {
  const zipMaps = nodes.filter(({ op }) => op === 'ZipMap');
  const named = (zipMaps.length > 0 ? zipMaps : nodes).map(labelsOf).filter((labels) => labels.length > 0);
  return named.length === 1 ? named[0] : undefined;
}

function labelsOf({ attributes }: GraphNode): readonly (string | number)[] {
  for (const name of ATTRIBUTES) {
    const attribute = attributes.get(name);
    const labels = attribute === undefined ? [] : listAttribute(attribute);
    if (labels.length > 0) return labels;
  }
  return [];
}
