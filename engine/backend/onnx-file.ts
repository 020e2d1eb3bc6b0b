import { ConfigError, messageOf } from '../errors.ts';
import { readBytes } from '../read-file.ts';
import type { ModelInterface } from './backend.ts';
import { classLabelsOf } from './class-labels.ts';
import { fileProblem } from './file-kind.ts';
import { type InputSettings, interfaceOf, type ValueInfo } from './model-interface.ts';
import { type GraphNode, readNode } from './onnx-node.ts';
import { bytesOf, fields, one, textOf } from './protobuf.ts';
import { withoutZipMaps } from './repair-model.ts';

/** Element types of onnx.proto3's TensorProto.DataType, by number. */
const ELEMENT_TYPES = [
  'undefined',
  'float32',
  'uint8',
  'int8',
  'uint16',
  'int16',
  'int32',
  'int64',
  'string',
  'bool',
  'float16',
  'float64',
  'uint32',
  'uint64',
];

/**
 * Reads the inputs and outputs of an ONNX file without loading the model, so that data and requests can be checked where no
 * inference runs.
 * @param names input of the model -> input of the family, where they differ.
 * @throws ConfigError if the file is not an ONNX model, or cannot be served.
 */
export function readModelInterface(
  file: string,
  settings: InputSettings,
  names?: Readonly<Record<string, string>>,
): ModelInterface {
  const inputs: ValueInfo[] = [];
  const outputs: ValueInfo[] = [];
  const nodes: GraphNode[] = [];
  const model = readModel(file);
  try {
    // From the file as it is, before the repair: a ZipMap names the classes.
    for (const field of fields(one(fields(model), 7))) if (field.number === 1) nodes.push(readNode(bytesOf(field)));
    const weights = new Set<string>();
    for (const field of fields(one(fields(withoutZipMaps(model)), 7))) {
      // Before IR version 4, files list the weights among the inputs.
      if (field.number === 5) weights.add(textOf(one(fields(bytesOf(field)), 8)));
      else if (field.number === 11) inputs.push(valueInfo(bytesOf(field)));
      else if (field.number === 12) outputs.push(valueInfo(bytesOf(field)));
    }
    for (let i = inputs.length - 1; i >= 0; i--) if (weights.has(inputs[i].name)) inputs.splice(i, 1);
  } catch (error) {
    const damage = `is not an ONNX model, or damaged (${messageOf(error)}); export or copy it again`;
    throw new ConfigError(`${file} ${fileProblem(file, model) ?? damage}`);
  }
  if (inputs.length === 0) throw new ConfigError(`${file} is not an ONNX model that can be served: it has no inputs`);
  const classLabels = classLabelsOf(nodes);
  return { ...interfaceOf(file, inputs, outputs, settings, names), ...(classLabels === undefined ? {} : { classLabels }) };
}

/** @throws ConfigError when the file cannot be read at once. */
export function readModel(file: string): Buffer<ArrayBuffer> {
  return readBytes(file, file, 'export the model with its weights in files beside it (external data)');
}

/** ValueInfoProto: name = 1, type = 2 { tensor_type = 1 { elem_type = 1, shape = 2 { dim = 1 { dim_value = 1 } } } } */
function valueInfo(bytes: Uint8Array): ValueInfo {
  let name = '';
  let type = 'not a tensor';
  const shape: (number | string)[] = [];
  for (const field of fields(bytes)) {
    if (field.number === 1) name = textOf(bytesOf(field));
    if (field.number !== 2) continue;
    for (const tensor of fields(bytesOf(field))) {
      if (tensor.number !== 1) continue;
      for (const part of fields(bytesOf(tensor))) {
        if (part.number === 1) type = ELEMENT_TYPES[Number(part.value)] ?? `element type ${part.value}`;
        else if (part.number === 2) for (const dim of fields(bytesOf(part))) shape.push(dimension(bytesOf(dim)));
      }
    }
  }
  return { name, type, shape };
}

function dimension(bytes: Uint8Array): number | string {
  for (const field of fields(bytes)) {
    if (field.number === 1) return Number(field.value);
    if (field.number === 2) return textOf(bytesOf(field));
  }
  return '';
}
