import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { z } from 'zod';
import { CascadeError, messageOf } from '../errors.ts';
import { valuesOf } from '../tensor/values-of.ts';
import { JSON_LENGTH_HEADER, joinBody, splitBody } from './body.ts';
import { DATATYPES } from './datatypes.ts';
import {
  type ModelMetadata,
  type OipClient,
  type OipClientOptions,
  OipError,
  type OipProblem,
  type OipTensor,
  QUESTION_TIMEOUT_MS,
  type RemoteModel,
} from './oip-client.ts';
import { outputTensor } from './output-tensor.ts';

/** Limited because the whole answer is held in memory. */
const MAX_ANSWER_BYTES = 256 * 2 ** 20;
/** Longest quote of a server's error message, in characters. */
const MAX_QUOTED = 300;

const tensorMetadata = z.object({
  name: z.string(),
  datatype: z.string(),
  // MLServer leaves out shapes that it was not given.
  shape: z
    .array(z.coerce.number())
    .nullish()
    .transform((shape) => shape ?? []),
});
const tensorList = z
  .array(tensorMetadata)
  .nullish()
  .transform((list) => list ?? []);
const metadataSchema = z.object({ platform: z.string().nullish(), inputs: tensorList, outputs: tensorList });
const serverSchema = z.object({ name: z.string(), extensions: z.array(z.string()).nullish() });
const configSchema = z.object({ max_batch_size: z.number().optional() });
const answerSchema = z.object({
  outputs: z.array(
    z.object({
      name: z.string(),
      datatype: z.string(),
      shape: z.array(z.number()),
      parameters: z.record(z.string(), z.unknown()).nullish(),
      data: z.unknown().optional(),
    }),
  ),
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** The Open Inference Protocol over HTTP. Sends tensors as bytes if the server has the binary extension, otherwise as JSON. */
export function httpOipClient(options: OipClientOptions): OipClient {
  return new HttpOipClient(options);
}

class HttpOipClient implements OipClient {
  readonly #options: OipClientOptions;
  readonly #base: string;
  readonly #agent: HttpAgent;
  #extensions: Promise<readonly string[]> | undefined;

  constructor(options: OipClientOptions) {
    this.#options = options;
    this.#base = options.url.replace(/\/+$/, '');
    this.#agent = options.url.startsWith('https:')
      ? new HttpsAgent({ keepAlive: true, ...options.tls })
      : new HttpAgent({ keepAlive: true });
  }

  async serverName(): Promise<string> {
    return (await this.#ask('GET', '/v2', serverSchema)).name;
  }

  extensions(): Promise<readonly string[]> {
    this.#extensions ??= this.#ask('GET', '/v2', serverSchema)
      .then(({ extensions }) => extensions ?? [])
      .catch((error) => {
        this.#extensions = undefined;
        throw error;
      });
    return this.#extensions;
  }

  async requireReady(model: RemoteModel): Promise<void> {
    await this.#send('GET', `${pathOf(model)}/ready`, QUESTION_TIMEOUT_MS).catch((error) => {
      // Servers report a model that is not ready with any status from 400 up.
      if (error instanceof OipError && (error.problem === 'refused' || error.problem === 'failed'))
        throw new OipError('unavailable', error.message);
      throw error;
    });
  }

  async metadata(model: RemoteModel): Promise<ModelMetadata> {
    const { platform, inputs, outputs } = await this.#ask('GET', pathOf(model), metadataSchema);
    return { platform: platform ?? '', inputs, outputs };
  }

  async maxBatch(model: RemoteModel): Promise<number | undefined> {
    if (!(await this.extensions()).includes('model_configuration')) return undefined;
    const { max_batch_size: size = 0 } = await this.#ask('GET', `${pathOf(model)}/config`, configSchema);
    return size > 0 ? size : undefined;
  }

  async infer(model: RemoteModel, inputs: readonly OipTensor[], outputs: readonly string[]): Promise<readonly OipTensor[]> {
    const isBinary = (await this.extensions()).includes('binary_tensor_data');
    const described = inputs.map((input) => {
      const head = { name: input.name, datatype: DATATYPES[input.dtype], shape: input.shape };
      return isBinary ? { ...head, parameters: { binary_data_size: input.data.length } } : { ...head, data: jsonValues(input) };
    });
    const json = {
      inputs: described,
      // Triton ignores `binary_data_output` for outputs that are named, and refuses to write FP16 as JSON.
      ...(outputs.length === 0
        ? {}
        : { outputs: outputs.map((name) => ({ name, ...(isBinary ? { parameters: { binary_data: true } } : {}) })) }),
      ...(isBinary ? { parameters: { binary_data_output: true } } : {}),
    };
    const { body, jsonLength } = joinBody(json, isBinary ? inputs.map(({ data }) => data) : []);
    const type: Readonly<Record<string, string>> = isBinary
      ? { 'Content-Type': 'application/octet-stream', [JSON_LENGTH_HEADER]: String(jsonLength) }
      : { 'Content-Type': 'application/json' };
    const answer = await this.#send('POST', `${pathOf(model)}/infer`, this.#options.timeoutMs, body, type);
    return readOutputs(answer);
  }

  close(): void {
    this.#agent.destroy();
  }

  async #ask<S extends z.ZodType>(method: string, path: string, schema: S): Promise<z.output<S>> {
    const { body } = await this.#send(method, path, QUESTION_TIMEOUT_MS);
    return parse(schema, jsonOf(body, undefined).json, path);
  }

  /** @throws OipError also for an HTTP error status. */
  async #send(
    method: string,
    path: string,
    timeoutMs: number,
    body?: Uint8Array,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const answer = await this.#exchange(method, path, timeoutMs, body, headers);
    if (answer.status < 300) return answer;
    throw new OipError(problemOf(answer.status), `${method} ${path}: ${describe(answer)}`, retryAfterMs(answer));
  }

  #exchange(
    method: string,
    path: string,
    timeoutMs: number,
    body: Uint8Array | undefined,
    headers: Readonly<Record<string, string>>,
    isSecond = false,
  ): Promise<Answer> {
    const send = this.#agent instanceof HttpsAgent ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const sent = send(
        `${this.#base}${path}`,
        {
          method,
          // A second try does not take an idle connection, which the server may have closed too.
          ...(isSecond ? { agent: false, ...this.#options.tls } : { agent: this.#agent }),
          signal: AbortSignal.timeout(timeoutMs),
          headers: { ...this.#options.headers, ...headers, ...(body === undefined ? {} : { 'Content-Length': body.length }) },
        },
        (response) => {
          const chunks: Buffer[] = [];
          let bytes = 0;
          response.on('data', (chunk: Buffer) => {
            bytes += chunk.length;
            chunks.push(chunk);
            if (bytes > MAX_ANSWER_BYTES)
              sent.destroy(new OipError('malformed', `${method} ${path}: the answer is larger than ${MAX_ANSWER_BYTES} bytes`));
          });
          response.on('error', fail);
          response.on('end', () => {
            if (response.complete)
              resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
          });
          response.on('close', () => fail(new Error('the connection was closed before the answer was whole')));
        },
      );
      const fail = (error: Error): void => {
        // The server may close an idle connection at the moment it is reused; writing a large body then fails with EPIPE.
        const { code } = error as NodeJS.ErrnoException;
        if (sent.reusedSocket && (code === 'ECONNRESET' || code === 'EPIPE') && !isSecond)
          this.#exchange(method, path, timeoutMs, body, headers, true).then(resolve, reject);
        else
          reject(error instanceof OipError ? error : new OipError('unreachable', describeFailure(error, this.#base, timeoutMs)));
      };
      sent.on('error', fail);
      sent.end(body);
    });
  }
}

function pathOf({ name, version }: RemoteModel): string {
  const model = `/v2/models/${encodeURIComponent(name)}`;
  return version === undefined ? model : `${model}/versions/${encodeURIComponent(version)}`;
}

function jsonValues(input: OipTensor): ReturnType<typeof valuesOf> {
  try {
    return valuesOf(input, `input ${input.name}`, 'the server does not take bytes');
  } catch (error) {
    throw error instanceof CascadeError ? new OipError('refused', error.message) : error;
  }
}

function readOutputs({ headers, body }: Answer): readonly OipTensor[] {
  const { json, binary } = jsonOf(body, headers[JSON_LENGTH_HEADER.toLowerCase()] as string | undefined);
  let at = 0;
  return parse(answerSchema, json, 'infer').outputs.map(({ name, datatype, shape, parameters, data }) => {
    const size = parameters?.binary_data_size;
    if (typeof size !== 'number') return outputTensor(name, datatype, shape, data);
    at += size;
    return outputTensor(name, datatype, shape, binary.subarray(at - size, at));
  });
}

function jsonOf(body: Buffer, jsonLength: string | undefined): ReturnType<typeof splitBody> {
  try {
    return splitBody(body, jsonLength);
  } catch (error) {
    if (error instanceof CascadeError)
      throw new OipError('malformed', `the answer does not follow the Open Inference Protocol: ${error.message}`);
    throw error;
  }
}

function parse<S extends z.ZodType>(schema: S, json: unknown, path: string): z.output<S> {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [{ path: at, message }] = parsed.error.issues;
  throw new OipError(
    'malformed',
    `the answer to ${path} does not follow the Open Inference Protocol: ${at.join('.')}: ${message}`,
  );
}

function problemOf(status: number): OipProblem {
  switch (status) {
    case 401:
    case 403:
      return 'forbidden';
    case 404:
      return 'unknown';
    case 429:
      return 'busy';
    case 502:
    case 503:
    case 504:
      return 'unavailable';
    default:
      return status >= 500 ? 'failed' : 'refused';
  }
}

/** Triton sends `{ "error": ... }`, others `{ "detail": ... }`, and proxies a web page. */
function describe({ status, body }: Answer): string {
  const text = body.toString('utf8', 0, 4 * MAX_QUOTED).trim();
  let said: unknown = text;
  try {
    const json = JSON.parse(text);
    said = json.error ?? json.detail ?? json.reason ?? text;
  } catch {
    // Not JSON: quoted as it is.
  }
  const quoted = (typeof said === 'string' ? said : JSON.stringify(said)).slice(0, MAX_QUOTED);
  return `HTTP ${status}${quoted === '' ? '' : `: ${quoted}`}`;
}

function retryAfterMs({ headers }: Answer): number | undefined {
  const seconds = Number(headers['retry-after'] ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : undefined;
}

function describeFailure(error: Error, url: string, timeoutMs: number): string {
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return `${url}: no answer within ${timeoutMs} ms`;
  const { code = '' } = error as NodeJS.ErrnoException;
  // If several addresses were tried, the error itself has no message.
  const ofTls = /:SSL routines:[^:]*:([^:]+)/.exec(messageOf(error))?.[1];
  const message = ofTls ?? (messageOf(error) === '' ? code : messageOf(error));
  const hint = /CERT|SIGNED|ISSUER|ALTNAME/.test(code) ? '; name the authority of its certificate in tls.ca' : '';
  const plain =
    code === 'EPROTO' || code === 'ERR_SSL_WRONG_VERSION_NUMBER' ? '; does the server speak TLS? If not, write http://' : '';
  return `${url}: ${message}${hint}${plain}`;
}
