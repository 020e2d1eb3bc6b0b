import { defer, exhaustMap, from, ignoreElements, type Observable } from 'rxjs';
import { type Clock, every } from '../clock.ts';
import { CascadeError, ConfigError } from '../errors.ts';
import {
  dtypeOf,
  type ModelMetadata,
  type OipClient,
  OipError,
  type OipTensor,
  type RemoteModel,
  type TensorMetadata,
} from '../oip/oip-client.ts';
import type { Sample, TensorSpec } from '../tensor/tensor.ts';
import type { AuxiliaryOutput, Backend, BatchOutput, ModelFile, ModelInterface, OutputTensor } from './backend.ts';
import { chooseScores } from './choose-output.ts';
import { type InputSettings, inputPositions, interfaceOf, type ValueInfo } from './model-interface.ts';
import { floatRows, inputTensors, joinOutputs, partsOf, type RemoteInputs } from './remote-batch.ts';

export interface RemoteOptions {
  /** Closed with the backend. */
  readonly client: OipClient;
  readonly clock: Clock;
  /** Names the server in messages. */
  readonly url: string;
  /** Number of concurrent requests that a batch is split into, if it has that many samples. */
  readonly inFlight: number;
  /** Of an inference, including retries while the server is busy. */
  readonly timeoutMs: number;
  readonly inputs: InputSettings;
  /** The family's inputs, in the order in which samples hold them. */
  readonly specs: readonly TensorSpec[];
  /** Read with each batch in addition to the scores. */
  readonly auxiliary?: AuxiliaryOutput | undefined;
  /** Called with the reason while `load` waits for a model. Without it, `load` does not wait. */
  readonly onWaiting?: (model: string, reason: string) => void;
}

interface Loaded {
  readonly name: string;
  readonly remote: RemoteModel;
  readonly inputs: RemoteInputs;
  readonly fixedBatch: number | undefined;
  readonly largest: number;
  /** Output to read as scores; undefined if the server does not declare its outputs: then the only float output of an answer. */
  readonly scores: string | undefined;
  readonly outputs: readonly string[];
  hasAnswered: boolean;
  /** Consecutive batches on which the server failed, or whose answers break the protocol. */
  failures: number;
}

/** How often to check whether the server is still there. */
const POLL_MS = 500;
/** Consecutive polls without an answer until the server counts as lost; a single one may be a pause. */
const SILENT_POLLS = 2;
/** A server that says it is ready but fails on this many consecutive batches counts as lost. */
const MAX_FAILURES = 8;
/** A busy server is asked again after as long as it says, within these limits: it may say nothing, 0, or much more than it needs. */
const BUSY_AGAIN_MS = 50;
const LONGEST_AGAIN_MS = 1_000;

/**
 * Runs models on a server of the Open Inference Protocol. Loading a model means waiting until the server has it ready, and checking
 * its inputs and outputs against the family. Errors with CascadeError UNAVAILABLE if the server cannot be reached, says that it is
 * not ready, fails again and again, or is silent for longer than the timeout.
 */
export function createRemoteBackend(options: RemoteOptions): Backend {
  return new RemoteBackend(options);
}

class RemoteBackend implements Backend {
  readonly emulated = false;
  readonly lost$: Observable<never>;
  readonly #options: RemoteOptions;
  readonly #models = new Map<string, Loaded>();
  #silentPolls = 0;
  #closed = false;

  constructor(options: RemoteOptions) {
    this.#options = options;
    this.lost$ = every(options.clock, POLL_MS).pipe(
      exhaustMap(() => from(this.#poll())),
      ignoreElements(),
    );
  }

  load(model: ModelFile): Observable<ModelInterface> {
    return defer(() => this.#load(model));
  }

  run(key: string, batch: readonly Sample[], wanted: readonly string[] = []): Observable<BatchOutput> {
    return defer(() => this.#run(key, batch, wanted));
  }

  unload(key: string): Observable<void> {
    return defer(async () => void this.#models.delete(key));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#options.client.close();
  }

  async #load(model: ModelFile): Promise<ModelInterface> {
    const { client, inputs: settings, specs, auxiliary, url } = this.#options;
    const { name, key = name, remote } = model;
    if (remote === undefined) throw new ConfigError(`model ${name} has no \`remote\`, its name on ${url}`);
    const metadata = await this.#metadata(name, remote);
    const where = `model ${remote.name} of ${url}`;
    const declared = interfaceOfMetadata(where, metadata, specs, settings, model.inputs);
    const { names, loaded } = declared;
    const positions = inputPositions(where, loaded.inputs, specs);
    const wanted = remote.output ?? model.output;
    const declaresOutputs = metadata.outputs.length > 0;
    if (declaresOutputs && auxiliary !== undefined && !loaded.outputs.some((output) => output.name === auxiliary.name))
      throw new ConfigError(
        `${where}: has no output ${auxiliary.name} for ${auxiliary.holds}; its outputs are ${namesOf(metadata.outputs)}`,
      );
    const scores = declaresOutputs
      ? chooseScores(where, loaded.outputs, { output: wanted, auxiliaryOutput: auxiliary?.name }).name
      : wanted;
    this.#models.set(key, {
      name,
      remote,
      inputs: { specs: positions.map((i) => specs[i]), names, positions },
      fixedBatch: loaded.fixedBatch,
      largest: (await ifSupported(() => client.maxBatch(remote))) ?? Number.POSITIVE_INFINITY,
      scores,
      outputs: metadata.outputs.map((output) => output.name),
      hasAnswered: false,
      failures: 0,
    });
    return loaded;
  }

  /** Metadata of a model that is ready; waits for it if there is an `onWaiting`. */
  async #metadata(model: string, remote: RemoteModel): Promise<ModelMetadata> {
    const { client, onWaiting, clock, url } = this.#options;
    for (;;) {
      try {
        await client.requireReady(remote);
        return await client.metadata(remote);
      } catch (error) {
        if (!(error instanceof OipError)) throw error;
        if (this.#closed) throw new CascadeError('UNAVAILABLE', 'the backend is closed');
        if (onWaiting === undefined) throw new ConfigError(problemWith(model, remote, url, error));
        onWaiting(model, error.message);
        await new Promise<void>((resolve) => clock.after(POLL_MS, resolve));
      }
    }
  }

  async #run(key: string, batch: readonly Sample[], wanted: readonly string[]): Promise<BatchOutput> {
    const model = this.#models.get(key);
    if (model === undefined || this.#closed)
      throw this.#closed
        ? new CascadeError('UNAVAILABLE', 'the backend is closed')
        : new CascadeError('INTERNAL', `model ${key} is not loaded`);
    const unknown = model.outputs.length === 0 ? undefined : wanted.find((output) => !model.outputs.includes(output));
    if (unknown !== undefined)
      throw new CascadeError(
        'INVALID_ARGUMENT',
        `model ${model.name} has no output ${unknown}; its outputs are ${model.outputs.join(', ')}`,
      );
    const { inFlight, clock } = this.#options;
    const startedAt = clock.now();
    try {
      const parts = partsOf(batch, inFlight, model.fixedBatch ?? model.largest);
      const answers = await Promise.all(parts.map((part) => this.#ask(model, part, wanted, startedAt)));
      const output = this.#join(model, parts, answers, wanted);
      model.hasAnswered = true;
      model.failures = 0;
      return { ...output, computeMs: clock.now() - startedAt };
    } catch (error) {
      throw error instanceof OipError ? await this.#failureOf(model, batch.length, error) : error;
    }
  }

  /** Sends a part of a batch, and retries while the server is busy. */
  async #ask(
    model: Loaded,
    part: readonly Sample[],
    wanted: readonly string[],
    startedAt: number,
  ): Promise<readonly OipTensor[]> {
    const { client, auxiliary, clock, timeoutMs } = this.#options;
    const rows =
      model.fixedBatch === undefined
        ? part
        : Array.from({ length: model.fixedBatch }, (_, i) => part[Math.min(i, part.length - 1)]);
    const outputs =
      model.scores === undefined
        ? []
        : [...new Set([model.scores, ...(auxiliary === undefined ? [] : [auxiliary.name]), ...wanted])];
    const tensors = inputTensors(model.inputs, rows);
    for (;;) {
      try {
        return await client.infer(model.remote, tensors, outputs);
      } catch (error) {
        const isBusy = error instanceof OipError && error.problem === 'busy';
        if (!isBusy || this.#closed) throw error;
        const againMs = Math.min(Math.max(error.retryAfterMs ?? 0, BUSY_AGAIN_MS), LONGEST_AGAIN_MS);
        if (clock.now() + againMs - startedAt > timeoutMs)
          throw new OipError('unavailable', `busy for ${timeoutMs} ms: ${error.message}`);
        await new Promise<void>((resolve) => clock.after(againMs, resolve));
      }
    }
  }

  #join(
    model: Loaded,
    parts: readonly (readonly Sample[])[],
    answers: readonly (readonly OipTensor[])[],
    wanted: readonly string[],
  ): Omit<BatchOutput, 'computeMs'> {
    const { auxiliary } = this.#options;
    const rows = parts.reduce((sum, part) => sum + part.length, 0);
    const named = (name: string): OutputTensor =>
      joinOutputs(
        answers.map((tensors, i) => {
          const rows = parts[i].length;
          return { tensor: find(tensors, name), rows, sent: model.fixedBatch ?? rows };
        }),
      );
    const floats = (name: string) => floatRows(withBatch(named(name), rows), rows);
    const scores = floats(model.scores ?? onlyFloats(answers[0]));
    return {
      scores: scores.values,
      classes: scores.columns,
      auxiliary: auxiliary === undefined ? undefined : floats(auxiliary.name).values,
      ...(wanted.length === 0 ? {} : { outputs: wanted.map(named) }),
    };
  }

  /** The error of a batch on which the server failed. */
  async #failureOf(model: Loaded, samples: number, error: OipError): Promise<CascadeError> {
    const message = `model ${model.name}: ${error.message}`;
    switch (error.problem) {
      case 'unreachable':
      case 'unknown':
      case 'forbidden':
        return new CascadeError('UNAVAILABLE', message);
      case 'refused':
        return new CascadeError(samples === 1 && model.hasAnswered ? 'INVALID_ARGUMENT' : 'INTERNAL', message);
      case 'malformed':
        return new CascadeError(++model.failures >= MAX_FAILURES ? 'UNAVAILABLE' : 'INTERNAL', message);
      case 'busy':
      case 'unavailable':
      case 'failed': {
        // If the server says it is ready, the batch itself may be the problem.
        const isReady = await this.#requireReady(model.remote).then(
          () => true,
          () => false,
        );
        const isLost = !isReady || !model.hasAnswered || ++model.failures >= MAX_FAILURES;
        return new CascadeError(isLost ? 'UNAVAILABLE' : 'INTERNAL', message);
      }
    }
  }

  /** Also resolves if the server is too busy to say: it is there, and losing it would not make it less busy. */
  async #requireReady(remote: RemoteModel): Promise<void> {
    try {
      await this.#options.client.requireReady(remote);
    } catch (error) {
      if (!(error instanceof OipError && error.problem === 'busy')) throw error;
    }
  }

  /** @throws CascadeError UNAVAILABLE when the server is lost. */
  async #poll(): Promise<void> {
    try {
      for (const { remote } of this.#models.values()) await this.#requireReady(remote);
      this.#silentPolls = 0;
    } catch (error) {
      if (!(error instanceof OipError)) throw error;
      if (this.#closed || (error.problem === 'unreachable' && ++this.#silentPolls < SILENT_POLLS)) return;
      throw new CascadeError('UNAVAILABLE', error.message);
    }
  }
}

/** The interface that a server declares for a model; if it declares no inputs, the model is taken to have the family's. */
function interfaceOfMetadata(
  where: string,
  { inputs, outputs }: ModelMetadata,
  specs: readonly TensorSpec[],
  settings: InputSettings,
  renamed: Readonly<Record<string, string>> = {},
): { readonly loaded: ModelInterface; readonly names: readonly string[] } {
  if (inputs.length === 0) {
    const ownName = (family: string): string => Object.entries(renamed).find(([, called]) => called === family)?.[0] ?? family;
    return { loaded: { inputs: specs, outputs: outputs.map(outputSpec) }, names: specs.map(({ name }) => ownName(name)) };
  }
  const infos = inputs.map((input): ValueInfo => {
    const type = dtypeOf(input.datatype);
    if (type === undefined)
      throw new ConfigError(
        `${where}: input ${input.name} is ${input.datatype}, which cannot be sent; the family's inputs are ${specs.map(({ name, dtype }) => `${name} ${dtype}`).join(', ')}`,
      );
    return { name: input.name, type, shape: input.shape };
  });
  const loaded = interfaceOf(
    where,
    infos,
    outputs.map((output) => ({ name: output.name, type: dtypeOf(output.datatype) ?? output.datatype, shape: output.shape })),
    settings,
    renamed,
  );
  return { loaded, names: infos.map(({ name }) => name) };
}

function outputSpec({ name, datatype, shape }: TensorMetadata): ModelInterface['outputs'][number] {
  return {
    name,
    type: dtypeOf(datatype) ?? datatype,
    shape: shape.length === 0 ? undefined : shape.slice(1).map((length) => (length > 0 ? length : null)),
  };
}

function find(tensors: readonly OipTensor[], name: string): OipTensor {
  const found = tensors.find((tensor) => tensor.name === name);
  if (found !== undefined) return found;
  throw new OipError('malformed', `the answer has no output ${name}; it has ${namesOf(tensors)}`);
}

/** The output to read as scores if neither the deployment nor the server names one. */
function onlyFloats(tensors: readonly OipTensor[]): string {
  const floats = tensors.filter(({ dtype }) => dtype.startsWith('float'));
  if (floats.length === 1) return floats[0].name;
  throw new OipError(
    'malformed',
    `the answer has ${floats.length} float outputs, and the server does not declare them; name the one with the scores in \`output\`; it has ${namesOf(tensors)}`,
  );
}

function withBatch({ name, dtype, shape, data }: OutputTensor, rows: number): OipTensor {
  return { name, dtype, shape: [rows, ...shape], data };
}

function namesOf(tensors: readonly { readonly name: string }[]): string {
  return tensors.map(({ name }) => name).join(', ') || 'none';
}

/** The message when a model cannot be loaded. */
function problemWith(model: string, { name, version }: RemoteModel, url: string, { problem, message }: OipError): string {
  const called = version === undefined ? name : `${name}, version ${version},`;
  switch (problem) {
    case 'unreachable':
      return `model ${model}: ${url} cannot be reached: ${message}`;
    case 'unknown':
      return `model ${model}: ${url} has no model ${called}: ${message}; write its name there as \`remote\``;
    case 'forbidden':
      return `model ${model}: ${url} rejected our credentials for ${called}: ${message}; give the ones it expects in \`headers\` of the device`;
    default:
      return `model ${model}: ${called} is not ready on ${url}: ${message}`;
  }
}

/** Treats an extension that fails as one that the server does not have. */
async function ifSupported<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof OipError) return undefined;
    throw error;
  }
}
