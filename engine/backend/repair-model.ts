import { classLabelsOf } from './class-labels.ts';
import { readNode, textAttribute } from './onnx-node.ts';
import { bytesField, bytesOf, type Field, fields, numberField, textField, textOf } from './protobuf.ts';

/**
 * Repairs models that cannot be served the way their exporter wrote them, before they are loaded. All other bytes stay the same.
 * (ModelProto: graph = 7, opset_import = 8; GraphProto: node = 1, output = 12.)
 */

const OPSET = 13;

/**
 * Removes ZipMap (ai.onnx.ml), with which the default exports of scikit-learn and LightGBM end. It outputs a map from class to
 * score per sample, which is not a tensor. The repaired model outputs the scores themselves under the same name.
 */
export function withoutZipMaps(model: Uint8Array): Uint8Array {
  const labels = new Map<string, number>();
  const graph = graphOf(model);
  for (const field of fields(graph)) {
    if (field.number !== 1) continue;
    const node = readNode(bytesOf(field));
    if (node.op === 'ZipMap') labels.set(node.outputs[0], classLabelsOf([node])?.length ?? 0);
  }
  if (labels.size === 0) return model;
  const changed = rewritten(graph, (field) => {
    if (field.number === 1) {
      const { op, inputs, outputs } = readNode(bytesOf(field));
      return op === 'ZipMap' ? bytesField(1, identity(inputs[0], outputs[0])) : undefined;
    }
    if (field.number !== 12) return undefined;
    const name = nameOf(bytesOf(field));
    const classes = labels.get(name);
    return classes === undefined ? undefined : bytesField(12, floats(name, classes));
  });
  return withGraph(model, changed);
}

/**
 * Replaces StringNormalizer's default locale `en_US.UTF-8`, which small images lack, with `C.UTF-8`, which every system has. Both
 * map upper and lower case alike. Other locales that a model asks for are kept.
 */
export function withPortableLocale(model: Uint8Array): Uint8Array {
  const changed = rewritten(graphOf(model), (field) => {
    if (field.number !== 1) return undefined;
    const node = bytesOf(field);
    const { op, attributes } = readNode(node);
    const locale = attributes.get('locale');
    if (op !== 'StringNormalizer' || (locale !== undefined && !/^(en_US|$)/.test(textAttribute(locale)))) return undefined;
    const rest = rewritten(node, (part) => (part.number === 5 && part.value === locale ? new Uint8Array(0) : undefined));
    const plain = Buffer.concat([textField(1, 'locale'), textField(4, 'C.UTF-8'), numberField(20, 3)]);
    return bytesField(1, Buffer.concat([rest, bytesField(5, plain)]));
  });
  return withGraph(model, changed);
}

function graphOf(model: Uint8Array): Uint8Array {
  for (const field of fields(model)) if (field.number === 7) return bytesOf(field);
  throw new Error('it has no graph');
}

/** Identity belongs to the default operator set, which a model that uses only ai.onnx.ml may not import. */
function withGraph(model: Uint8Array, graph: Uint8Array): Uint8Array {
  const changed = rewritten(model, (field) => (field.number === 7 ? bytesField(7, graph) : undefined));
  const imports = [...fields(model)].filter((field) => field.number === 8).map((field) => nameOf(bytesOf(field)));
  return imports.includes('') ? changed : Buffer.concat([changed, bytesField(8, numberField(2, OPSET))]);
}

/** @param change returns the bytes that replace a field; undefined keeps it. */
function rewritten(message: Uint8Array, change: (field: Field) => Uint8Array | undefined): Uint8Array {
  return Buffer.concat([...fields(message)].map((field) => change(field) ?? field.raw));
}

/** Field 1: the name of a ValueInfoProto, the domain of an OperatorSetIdProto. */
function nameOf(message: Uint8Array): string {
  for (const field of fields(message)) if (field.number === 1) return textOf(bytesOf(field));
  return '';
}

function identity(input: string, output: string): Uint8Array {
  return Buffer.concat([textField(1, input), textField(2, output), textField(4, 'Identity')]);
}

/** ValueInfoProto of float32[batch, classes]. */
function floats(name: string, classes: number): Uint8Array {
  const dimensions = [new Uint8Array(0), classes > 0 ? numberField(1, classes) : new Uint8Array(0)];
  const shape = Buffer.concat(dimensions.map((dimension) => bytesField(1, dimension)));
  const tensor = Buffer.concat([numberField(1, 1), bytesField(2, shape)]);
  return Buffer.concat([textField(1, name), bytesField(2, bytesField(1, tensor))]);
}
