import type { Dtype } from '../tensor/tensor.ts';
import { DATATYPES } from './datatypes.ts';

/** URL schemes that `openOipClient` accepts. */
export const OIP_SCHEMES = ['http:', 'https:', 'grpc:', 'grpcs:'];

/** A model on a server of the Open Inference Protocol. */
export interface RemoteModel {
  readonly name: string;
  /** Undefined: the server's choice. */
  readonly version?: string | undefined;
}

/** An input or output as a server declares it: the first axis is the batch, and -1 means any length. */
export interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

export interface ModelMetadata {
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
}

/** A whole tensor, including the batch axis; little-endian bytes in C order. */
export interface OipTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** A client of the Open Inference Protocol over HTTP or gRPC. All methods throw OipError. */
export interface OipClient {
  /** The name that the server reports. */
  serverName(): Promise<string>;
  /** Names of the protocol's extensions that the server offers. */
  extensions(): Promise<readonly string[]>;
  /** Resolves if the model is ready; otherwise throws the reason. */
  requireReady(model: RemoteModel): Promise<void>;
  metadata(model: RemoteModel): Promise<ModelMetadata>;
  /** Largest batch that the server takes; undefined if it does not say. */
  maxBatch(model: RemoteModel): Promise<number | undefined>;
  /** @param outputs names; empty: all that the server returns. */
  infer(model: RemoteModel, inputs: readonly OipTensor[], outputs: readonly string[]): Promise<readonly OipTensor[]>;
  close(): void;
}

export interface OipClientOptions {
  /** `http://`, `https://`, `grpc://` or `grpcs://`, host and port. An HTTP URL may have a path, to which `/v2` is appended. */
  readonly url: string;
  /** Longest time for one inference. */
  readonly timeoutMs: number;
  /** Sent with each request: HTTP headers, or metadata of gRPC calls. */
  readonly headers: Readonly<Record<string, string>>;
  /** PEM texts; undefined: the system's authorities. */
  readonly tls: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer };
}

/** Readiness and metadata are cheap: a server that takes longer is in trouble. */
export const QUESTION_TIMEOUT_MS = 2_000;

/**
 * Why a server gave no answer. `unreachable`: no connection, or no answer in time; `unavailable`: it says it cannot answer now;
 * `busy`: it is overloaded; `unknown`: it has no such model; `forbidden`: it rejected our credentials; `refused`: the request is
 * wrong; `failed`: its inference failed; `malformed`: the answer does not follow the protocol.
 */
export type OipProblem = 'unreachable' | 'unavailable' | 'busy' | 'unknown' | 'forbidden' | 'refused' | 'failed' | 'malformed';

export class OipError extends Error {
  override readonly name = 'OipError';
  readonly problem: OipProblem;
  /** For `busy`: when to retry, if the server says so. */
  readonly retryAfterMs: number | undefined;

  constructor(problem: OipProblem, message: string, retryAfterMs?: number) {
    super(message);
    this.problem = problem;
    this.retryAfterMs = retryAfterMs;
  }
}

const DTYPES_BY_NAME = new Map(Object.entries(DATATYPES).map(([dtype, name]) => [name, dtype as Dtype]));

/** Undefined for a datatype that cannot be read, such as BF16. */
export function dtypeOf(datatype: string): Dtype | undefined {
  return DTYPES_BY_NAME.get(datatype);
}
