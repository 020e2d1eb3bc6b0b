import { readFileSync } from 'node:fs';
import { InferenceSession, listSupportedBackends, Tensor } from 'onnxruntime-node';
import { ConfigError, messageOf } from '../errors.ts';
import { fromFloat16Array } from '../tensor/float16.ts';
import { decodeStrings, encodeStrings } from '../tensor/strings.ts';
import { DTYPE_NAMES, DTYPES, type Dtype } from '../tensor/tensor.ts';
import type { AuxiliaryOutput, OutputTensor } from './backend.ts';
import { chooseScores, scoreColumns } from './choose-output.ts';
import { interfaceOf, type ValueInfo } from './model-interface.ts';
import type { Feed, WorkerSettings } from './onnx-protocol.ts';
import { withoutZipMaps, withPortableLocale } from './repair-model.ts';
import { inferenceError, shortened } from './runtime-error.ts';

export interface LoadedModel {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /**
   * @param wanted names of outputs to return in addition to the scores.
   * @throws UnfitSample for a sample that the model cannot take.
   */
  run(feeds: readonly Feed[], wanted: readonly string[]): Promise<RunOutput>;
  release(): Promise<void>;
}

/** The error of a model that changes the case of texts, if the system lacks its locale. */
const NO_LOCALE = /failed to construct locale/i;

interface RunOutput {
  readonly scores: Float32Array<ArrayBuffer>;
  readonly classes: number;
  readonly auxiliary: Float32Array<ArrayBuffer> | undefined;
  readonly outputs: readonly OutputTensor[] | undefined;
}

/**
 * Opens an ONNX Runtime session. One thread per core and no spinning: a spinning pool would starve the process's own event loop of
 * the pinned cores.
 * @param output to read as scores; default: see `chooseScores`.
 * @throws ConfigError if the file is not a model or has no class scores, or if the execution provider is missing.
 */
export async function openSession(file: string, settings: WorkerSettings, output?: string): Promise<LoadedModel> {
  const session = await create(file, settings);
  try {
    const inputs = session.inputMetadata.map(valueInfo);
    const outputs = session.outputMetadata.map(valueInfo);
    const { auxiliary } = settings;
    if (auxiliary !== undefined && !outputs.some((output) => output.name === auxiliary.name)) {
      const names = outputs.map((output) => output.name).join(', ');
      throw new ConfigError(`${file}: has no output ${auxiliary.name} for ${auxiliary.holds}; its outputs are ${names}`);
    }
    const auxiliaryOutput = auxiliary?.name;
    const scoresName = chooseScores(file, interfaceOf(file, inputs, outputs, {}).outputs, { output, auxiliaryOutput }).name;
    const fetches = auxiliaryOutput === undefined ? [scoresName] : [scoresName, auxiliaryOutput];
    let hasAnswered = false;
    return {
      inputs,
      outputs,
      release: () => session.release(),
      async run(feeds, wanted) {
        const tensors = Object.fromEntries(feeds.map((feed) => [feed.name, tensorOf(feed)]));
        const batch = feeds[0].dims[0];
        const names = wanted.length === 0 ? fetches : [...new Set([...fetches, ...wanted])];
        const result = await session.run(tensors, names).catch((error) => {
          throw inferenceError(messageOf(error), hasAnswered && batch === 1);
        });
        hasAnswered = true;
        const scores = result[scoresName];
        return {
          scores: floats(scores, scoresName),
          classes: columnsOf(scores, scoresName, batch),
          auxiliary: auxiliary && rowsOf(result[auxiliary.name], auxiliary, batch),
          outputs: wanted.length === 0 ? undefined : wanted.map((name) => outputTensor(name, result[name], batch)),
        };
      },
    };
  } catch (error) {
    await session.release();
    throw error;
  }
}

/** Loads the file as it is if it can be served, otherwise a repaired copy in memory. */
async function create(file: string, settings: WorkerSettings): Promise<InferenceSession> {
  if (settings.kind === 'cuda' && !listSupportedBackends().some((backend) => backend.name === 'cuda')) {
    throw new ConfigError(cudaMissing('this build of onnxruntime-node has no CUDA execution provider'));
  }
  try {
    let model: string | Uint8Array = file;
    let session = await open(model, settings).catch((error) => {
      if (!NO_LOCALE.test(messageOf(error))) throw error;
      model = withPortableLocale(readFileSync(file));
      return open(model, settings);
    });
    if (session.outputMetadata.some((output) => !output.isTensor)) {
      await session.release();
      session = await open(withoutZipMaps(typeof model === 'string' ? readFileSync(file) : model), settings);
    }
    return session;
  } catch (error) {
    const message = messageOf(error);
    if (settings.kind === 'cuda' && /cuda|provider/i.test(message)) throw new ConfigError(cudaMissing(message));
    throw new ConfigError(`${file} cannot be loaded as an ONNX model: ${shortened(message)}`);
  }
}

function open(model: string | Uint8Array, { kind, threads, deviceId }: WorkerSettings): Promise<InferenceSession> {
  const options: InferenceSession.SessionOptions = {
    executionProviders: kind === 'cuda' ? [{ name: 'cuda', deviceId }] : ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    // Failures are thrown as well.
    logSeverityLevel: 4,
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  };
  return typeof model === 'string' ? InferenceSession.create(model, options) : InferenceSession.create(model, options);
}

function cudaMissing(reason: string): string {
  return (
    `the CUDA execution provider cannot be loaded (${reason}); install the NVIDIA driver, CUDA 12 and cuDNN 9, then run ` +
    '`ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install`, or use devices of kind cpu'
  );
}

function valueInfo(metadata: InferenceSession.ValueMetadata): ValueInfo {
  return metadata.isTensor
    ? { name: metadata.name, type: metadata.type, shape: metadata.shape }
    : { name: metadata.name, type: 'not a tensor', shape: [] };
}

function tensorOf({ dtype, data, dims }: Feed): Tensor {
  if (dtype === 'string') return new Tensor('string', decodeStrings(data), dims);
  const { array, bytes } = DTYPES[dtype];
  const values = new array(data.buffer as ArrayBuffer, data.byteOffset, data.length / bytes);
  return new Tensor(dtype, values as Tensor.DataTypeMap[typeof dtype], dims);
}

/** Copies, because the runtime's own memory cannot be transferred to another thread. */
function floats(tensor: Tensor, name: string): Float32Array<ArrayBuffer> {
  const { data, type } = tensor;
  if (data instanceof Float32Array || data instanceof Float64Array) return Float32Array.from(data);
  if (type === 'float16') return fromFloat16Array(float16Bits(data as Tensor.DataTypeMap['float16']));
  throw new Error(`output ${name} is ${type}; expected float16, float32 or float64`);
}

/** Newer versions of Node have a Float16Array. */
function float16Bits({ buffer, byteOffset, length }: ArrayBufferView & { readonly length: number }): Uint16Array {
  return new Uint16Array(buffer as ArrayBuffer, byteOffset, length);
}

function outputTensor(name: string, { type, dims, data }: Tensor, batch: number): OutputTensor {
  if (!(DTYPE_NAMES as readonly string[]).includes(type)) throw new Error(`output ${name} is ${type}, which cannot be returned`);
  const [rows, ...shape] = dims;
  if (rows !== batch) throw new Error(`output ${name} is [${dims.join(', ')}] for a batch of ${batch}; expected [batch, ...]`);
  const dtype = type as Dtype;
  if (dtype === 'string') return { name, dtype, shape, data: encodeStrings(data as string[]) };
  const { buffer, byteOffset, byteLength } = data as Uint8Array;
  return { name, dtype, shape, data: new Uint8Array(buffer, byteOffset, byteLength).slice() };
}

function columnsOf({ dims }: Tensor, name: string, batch: number): number {
  const [rows, ...shape] = dims;
  const columns = scoreColumns(shape);
  if (rows === batch && columns !== undefined) return columns;
  throw new Error(`output ${name} is [${dims.join(', ')}] for a batch of ${batch}; expected [batch, classes]`);
}

function rowsOf(tensor: Tensor, { name, holds }: AuxiliaryOutput, batch: number): Float32Array<ArrayBuffer> {
  const values = floats(tensor, name);
  if (tensor.dims[0] === batch) return values;
  throw new Error(`output ${name} is [${tensor.dims.join(', ')}] for a batch of ${batch}; expected ${holds} of each sample`);
}
