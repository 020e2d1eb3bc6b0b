import { statSync } from 'node:fs';
import { dirname, isAbsolute, join, normalize } from 'node:path';
import { ConfigError, messageOf } from '../errors.ts';
import { readModel } from './onnx-file.ts';
import { bytesOf, type Field, fields, textOf } from './protobuf.ts';

/** A file next to a model that holds some of its weights. */
interface ExternalFile {
  /** Relative to the model's folder. */
  readonly location: string;
  /** Least size that it must have. */
  bytes: number;
}

/** Message types of onnx.proto3 that can contain tensors. */
type Kind = 'model' | 'graph' | 'training' | 'function' | 'node' | 'attribute' | 'sparse' | 'tensor';

/** The message types nested in each type, by field number. */
const PARTS: Readonly<Record<Kind, Readonly<Record<number, Kind>>>> = {
  model: { 7: 'graph', 20: 'training', 25: 'function' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  training: { 1: 'graph', 2: 'graph' },
  function: { 7: 'node', 11: 'attribute' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  sparse: { 1: 'tensor', 2: 'tensor' },
  tensor: {},
};

const TENSOR_NAME = 8;
const EXTERNAL_DATA = 13;
const DATA_LOCATION = 14;
const EXTERNAL = 1;

/**
 * The files that hold weights of an ONNX model (`TensorProto.external_data`), relative to its folder, sorted. Most models have none.
 * @throws ConfigError if the file is not an ONNX model, or if weights are missing, truncated, or outside the model's folder.
 */
export function externalFiles(file: string): readonly string[] {
  const found = new Map<string, ExternalFile>();
  const model = readModel(file);
  try {
    collect('model', model, found);
  } catch (error) {
    if (error instanceof ConfigError) throw new ConfigError(`${file}: ${error.message}`);
    throw new ConfigError(`${file} is not an ONNX model: ${messageOf(error)}`);
  }
  for (const each of found.values()) requireFile(file, each);
  return [...found.keys()].sort();
}

function collect(kind: Kind, message: Uint8Array, found: Map<string, ExternalFile>): void {
  if (kind === 'tensor') {
    collectTensor(message, found);
    return;
  }
  for (const field of fields(message)) {
    const part = PARTS[kind][field.number];
    if (part !== undefined) collect(part, bytesOf(field), found);
  }
}

/** TensorProto: name = 8, external_data = 13 { key = 1, value = 2 }, data_location = 14. */
function collectTensor(message: Uint8Array, found: Map<string, ExternalFile>): void {
  let external = false;
  let name = '';
  const entries = new Map<string, string>();
  for (const field of fields(message)) {
    if (field.number === DATA_LOCATION) external = field.value === EXTERNAL;
    else if (field.number === TENSOR_NAME) name = textOf(bytesOf(field));
    else if (field.number === EXTERNAL_DATA) entries.set(...entryOf(field));
  }
  if (!external) return;
  const given = entries.get('location') ?? '';
  const location = normalize(given);
  if (given === '' || isAbsolute(given) || location.split(/[/\\]/)[0] === '..')
    throw new ConfigError(
      `the weights of ${name} are in ${JSON.stringify(given)}; export the model with its weights in its own folder or inside the file`,
    );
  const bytes = Number(entries.get('offset') ?? 0) + Number(entries.get('length') ?? 0);
  const known = found.get(location) ?? { location, bytes: 0 };
  known.bytes = Math.max(known.bytes, bytes);
  found.set(location, known);
}

function entryOf(field: Field): [key: string, value: string] {
  let [key, value] = ['', ''];
  for (const part of fields(bytesOf(field))) {
    if (part.number === 1) key = textOf(bytesOf(part));
    else if (part.number === 2) value = textOf(bytesOf(part));
  }
  return [key, value];
}

function requireFile(model: string, { location, bytes }: ExternalFile): void {
  const path = join(dirname(model), location);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || !found.isFile())
    throw new ConfigError(
      `${model}: its weights are in ${location}, which ${found === undefined ? 'does not exist' : 'is not a file'} (looked in ${dirname(path)}); copy it beside the model`,
    );
  if (found.size < bytes)
    throw new ConfigError(
      `${model}: its weights take ${bytes} bytes of ${location}, which has ${found.size}; copy the whole file`,
    );
}
