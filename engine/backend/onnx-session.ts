import { InferenceSession, listSupportedBackends, Tensor } from 'onnxruntime-node';
import { ConfigError, messageOf } from '../errors.ts';
import { DTYPES } from '../tensor.ts';
import { chooseScores } from './choose-output.ts';
import { interfaceOf, type ValueInfo } from './model-interface.ts';
import type { Feed, WorkerSettings } from './onnx-protocol.ts';

export interface LoadedModel {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  run(feeds: readonly Feed[]): Promise<RunOutput>;
  release(): Promise<void>;
}

interface RunOutput {
  readonly scores: Float32Array<ArrayBuffer>;
  readonly classes: number;
  readonly certainty: Float32Array<ArrayBuffer> | undefined;
}

/**
 * Opens an ONNX Runtime session. One thread per core and no spinning: a spinning pool would take the pinned cores from the
 * process's own event loop.
 * @param output that is read as scores; default: see `chooseScores`.
 * @throws ConfigError for a file that is no model, or one without class scores; or where the provider is missing.
 */
export async function openSession(file: string, settings: WorkerSettings, output?: string): Promise<LoadedModel> {
  const session = await create(file, settings);
  try {
    const inputs = session.inputMetadata.map(valueInfo);
    const outputs = session.outputMetadata.map(valueInfo);
    const { certaintyOutput } = settings;
    if (certaintyOutput !== undefined && !outputs.some((output) => output.name === certaintyOutput)) {
      const names = outputs.map((output) => output.name).join(', ');
      throw new ConfigError(`${file}: has no output ${certaintyOutput} for the certainty; its outputs are ${names}`);
    }
    const scoresName = chooseScores(file, interfaceOf(file, inputs, outputs, {}).outputs, { output, certaintyOutput }).name;
    const fetches = certaintyOutput === undefined ? [scoresName] : [scoresName, certaintyOutput];
    return {
      inputs,
      outputs,
      release: () => session.release(),
      async run(feeds) {
        const tensors = Object.fromEntries(feeds.map((feed) => [feed.name, tensorOf(feed)]));
        const result = await session.run(tensors, fetches);
        const batch = feeds[0].dims[0];
        const scores = result[scoresName];
        return {
          scores: floats(scores, scoresName),
          classes: columnsOf(scores, scoresName, batch),
          certainty: certaintyOutput === undefined ? undefined : certainties(result[certaintyOutput], certaintyOutput, batch),
        };
      },
    };
  } catch (error) {
    await session.release();
    throw error;
  }
}

async function create(file: string, { kind, threads, deviceId }: WorkerSettings): Promise<InferenceSession> {
  if (kind === 'cuda' && !listSupportedBackends().some((backend) => backend.name === 'cuda')) {
    throw new ConfigError(cudaMissing('this build of onnxruntime-node has no CUDA execution provider'));
  }
  try {
    return await InferenceSession.create(file, {
      executionProviders: kind === 'cuda' ? [{ name: 'cuda', deviceId }] : ['cpu'],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
      extra: { session: { intra_op: { allow_spinning: '0' } } },
    });
  } catch (error) {
    const message = messageOf(error);
    if (kind === 'cuda' && /cuda|provider/i.test(message)) throw new ConfigError(cudaMissing(message));
    throw new ConfigError(`${file} cannot be loaded as an ONNX model: ${message}`);
  }
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
  const { array, bytes } = DTYPES[dtype];
  const values = new array(data.buffer as ArrayBuffer, data.byteOffset, data.length / bytes);
  return new Tensor(dtype, values as Tensor.DataTypeMap[typeof dtype], dims);
}

/** A copy: the runtime's own memory cannot be transferred to another thread. */
function floats(tensor: Tensor, name: string): Float32Array<ArrayBuffer> {
  const { data } = tensor;
  if (data instanceof Float32Array || data instanceof Float64Array) return Float32Array.from(data);
  throw new Error(`output ${name} is ${tensor.type}; expected float32 or float64`);
}

/** [batch], [batch, columns], or the latter with axes of length 1 behind it. */
function columnsOf({ dims }: Tensor, name: string, batch: number): number {
  const [rows, columns = 1, ...rest] = dims;
  if (rows === batch && rest.every((dimension) => dimension === 1)) return columns;
  throw new Error(`output ${name} is [${dims.join(', ')}] for a batch of ${batch}; expected [batch, classes]`);
}

function certainties(tensor: Tensor, name: string, batch: number): Float32Array<ArrayBuffer> {
  const values = floats(tensor, name);
  if (tensor.dims[0] === batch) return values;
  throw new Error(`output ${name} is [${tensor.dims.join(', ')}] for a batch of ${batch}; expected a certainty per sample`);
}
