import { type Client, credentials, Metadata, makeClientConstructor, type ServiceError, status } from '@grpc/grpc-js';
import type { Contents } from './contents.ts';
import { DATATYPES } from './datatypes.ts';
import { inferenceService } from './inference-service.ts';
import {
  type ModelMetadata,
  type OipClient,
  type OipClientOptions,
  OipError,
  type OipProblem,
  type OipTensor,
  QUESTION_TIMEOUT_MS,
  type RemoteModel,
  type TensorMetadata,
} from './oip-client.ts';
import { outputTensor } from './output-tensor.ts';

const PROBLEMS: Readonly<Partial<Record<status, OipProblem>>> = {
  [status.UNAVAILABLE]: 'unreachable',
  [status.DEADLINE_EXCEEDED]: 'unreachable',
  [status.CANCELLED]: 'unreachable',
  [status.RESOURCE_EXHAUSTED]: 'busy',
  [status.NOT_FOUND]: 'unknown',
  [status.UNAUTHENTICATED]: 'forbidden',
  [status.PERMISSION_DENIED]: 'forbidden',
  [status.INVALID_ARGUMENT]: 'refused',
  [status.FAILED_PRECONDITION]: 'refused',
  [status.OUT_OF_RANGE]: 'refused',
};

/** A status of DEADLINE_EXCEEDED that comes this much before our own deadline is the server's. Timers may fire a little early. */
const EARLY_MS = 100;

interface InferResponse {
  readonly outputs: readonly (TensorMetadata & { readonly contents: Contents | null })[];
  readonly raw_output_contents: readonly Uint8Array[];
}

/** The Open Inference Protocol over gRPC. Sends tensors as raw bytes; accepts raw bytes and typed contents. */
export function grpcOipClient(options: OipClientOptions): OipClient {
  return new GrpcOipClient(options);
}

class GrpcOipClient implements OipClient {
  readonly #options: OipClientOptions;
  readonly #service = inferenceService();
  readonly #client: Client;
  readonly #metadata = new Metadata();

  constructor(options: OipClientOptions) {
    this.#options = options;
    const { url, tls, headers } = options;
    for (const [name, value] of Object.entries(headers)) this.#metadata.set(name.toLowerCase(), value);
    const channel = url.startsWith('grpcs:')
      ? credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null)
      : credentials.createInsecure();
    this.#client = new (makeClientConstructor(this.#service, 'inference'))(new URL(url).host, channel, {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      // The default back-off grows to minutes, so a server that is back after an outage would stay lost for as long.
      'grpc.max_reconnect_backoff_ms': 1_000,
    });
  }

  async serverName(): Promise<string> {
    return (await this.#call<{ name: string }>('ServerMetadata', {})).name;
  }

  async extensions(): Promise<readonly string[]> {
    return (await this.#call<{ extensions: string[] }>('ServerMetadata', {})).extensions;
  }

  async requireReady(model: RemoteModel): Promise<void> {
    const { ready } = await this.#call<{ ready: boolean }>('ModelReady', named(model));
    if (!ready) throw new OipError('unavailable', `model ${model.name} is not ready`);
  }

  metadata(model: RemoteModel): Promise<ModelMetadata> {
    return this.#call('ModelMetadata', named(model));
  }

  async maxBatch(model: RemoteModel): Promise<number | undefined> {
    if (!(await this.extensions()).includes('model_configuration')) return undefined;
    const { config } = await this.#call<{ config: { max_batch_size: number } | null }>('ModelConfig', named(model));
    return config !== null && config.max_batch_size > 0 ? config.max_batch_size : undefined;
  }

  async infer(model: RemoteModel, inputs: readonly OipTensor[], outputs: readonly string[]): Promise<readonly OipTensor[]> {
    const request = {
      model_name: model.name,
      model_version: model.version ?? '',
      inputs: inputs.map(({ name, dtype, shape }) => ({ name, datatype: DATATYPES[dtype], shape })),
      outputs: outputs.map((name) => ({ name })),
      raw_input_contents: inputs.map(({ data }) => data),
    };
    const answer = await this.#call<InferResponse>('ModelInfer', request, this.#options.timeoutMs);
    const { raw_output_contents: raw } = answer;
    return answer.outputs.map(({ name, datatype, shape, contents }, i) =>
      outputTensor(name, datatype, shape, raw[i] ?? filled(contents)),
    );
  }

  close(): void {
    this.#client.close();
  }

  #call<T>(method: string, request: object, timeoutMs = QUESTION_TIMEOUT_MS): Promise<T> {
    const { path, requestSerialize, responseDeserialize } = this.#service[method];
    const deadline = Date.now() + timeoutMs;
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        this.#metadata,
        { deadline },
        (error, answer) => (error === null ? resolve(answer as T) : reject(this.#problemOf(error, method, deadline))),
      );
    });
  }

  #problemOf({ code, details, metadata }: ServiceError, method: string, deadline: number): OipError {
    // A server that is there may answer so, for example if its queue is full: whether it is still there is for its readiness to say.
    const isServers = code === status.UNAVAILABLE || (code === status.DEADLINE_EXCEEDED && Date.now() < deadline - EARLY_MS);
    const problem = method === 'ModelInfer' && isServers ? 'unavailable' : (PROBLEMS[code] ?? 'failed');
    const pushback = Number(metadata?.get('grpc-retry-pushback-ms')[0] ?? Number.NaN);
    return new OipError(
      problem,
      `${this.#options.url} ${method}: ${status[code]}: ${details}`,
      Number.isFinite(pushback) ? pushback : undefined,
    );
  }
}

function named({ name, version }: RemoteModel): object {
  return { name, version: version ?? '' };
}

/** The values of whichever field is filled. */
function filled(contents: Contents | null): readonly unknown[] {
  return Object.values(contents ?? {}).find((values) => Array.isArray(values) && values.length > 0) ?? [];
}
