import { type GraphNode, listAttribute } from './onnx-node.ts';

/** Attributes of ai.onnx.ml's ZipMap and classifiers that name the classes in the order of the scores. */
const ATTRIBUTES = ['classlabels_strings', 'classlabels_int64s', 'classlabels_ints'];

/**
 * The class names of a model, in the order of the scores: those of its ZipMap, otherwise those of its classifier, unless it has
 * several classifiers (an ensemble, say) that disagree.
 * @returns undefined if the graph does not name its classes.
 */
export function classLabelsOf(nodes: readonly GraphNode[]): readonly (string | number)[] | undefined {
  const zipMaps = nodes.filter(({ op }) => op === 'ZipMap');
  const [first, ...others] = (zipMaps.length > 0 ? zipMaps : nodes).map(labelsOf).filter((labels) => labels.length > 0);
  const agree = others.every((labels) => labels.length === first.length && labels.every((label, i) => label === first[i]));
  return agree ? first : undefined;
}

function labelsOf({ attributes }: GraphNode): readonly (string | number)[] {
  for (const name of ATTRIBUTES) {
    const attribute = attributes.get(name);
    const labels = attribute === undefined ? [] : listAttribute(attribute);
    if (labels.length > 0) return labels;
  }
  return [];
}
