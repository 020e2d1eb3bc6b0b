import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { map, Observable } from 'rxjs';
import { assertNever, CascadeError, ConfigError, invalid, messageOf } from '../errors.ts';
import { entry } from '../source.ts';
import { endOf, type Sample, stack, type TensorSpec } from '../tensor/tensor.ts';
import type { AuxiliaryOutput, Backend, BatchOutput, ModelFile, ModelInterface, OutputTensor } from './backend.ts';
import { type InputSettings, inputPositions, interfaceOf } from './model-interface.ts';
import type { Feed, Order, Reply, WorkerSettings } from './onnx-protocol.ts';
import { SharedBatch } from './onnx-shared.ts';

export type OnnxDevice =
  | {
      readonly kind: 'cpu';
      /** Inference threads. */
      readonly threads: number;
      /** Total over all devices on this machine: event loops run on the cores that these leave free. Default: `threads`. */
      readonly threadsOfMachine?: number;
      /** Cores that the inference threads, and no others, are pinned to; default: none. */
      readonly cores?: readonly number[] | undefined;
    }
  | { readonly kind: 'cuda'; readonly deviceId: number };

export type OnnxOptions = OnnxDevice & {
  readonly inputs: InputSettings;
  /** The family's inputs, in the order in which samples hold them. Default: each model's own inputs in its own order. */
  readonly specs?: readonly TensorSpec[];
  /** Read in addition to the scores; default: none. */
  readonly auxiliary?: AuxiliaryOutput | undefined;
};

/** The part of a worker thread that the backend uses, so that tests can replace it. */
export type WorkerLike = Pick<Worker, 'postMessage' | 'on' | 'ref' | 'unref'>;

/**
 * Runs ONNX models on one device, in a worker thread of this process. Once the worker has died, everything errors with CascadeError
 * UNAVAILABLE.
 */
export function createOnnxBackend(options: OnnxOptions, startWorker: (settings: WorkerSettings) => WorkerLike = spawn): Backend {
  return new OnnxBackend(options, startWorker);
}

interface Loaded {
  /** Of the model, for messages. */
  readonly name: string;
  /** Id of the order that loaded the model. */
  readonly id: number;
  readonly inputs: readonly TensorSpec[];
  /** Per input: its name in the model. */
  readonly names: readonly string[];
  /** Per input: its position in a sample. */
  readonly positions: readonly number[];
  readonly fixedBatch: number | undefined;
  readonly outputs: readonly string[];
}

interface Pending {
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

class OnnxBackend implements Backend {
  readonly emulated = false;
  thread: number | undefined;
  readonly #options: OnnxOptions;
  readonly #worker: WorkerLike;
  readonly #models = new Map<string, Loaded>();
  readonly #pending = new Map<number, Pending>();
  readonly #exited: Promise<void>;
  readonly #shared = new SharedBatch();
  #nextId = 0;
  #closing = false;
  #dead: CascadeError | undefined;

  constructor(options: OnnxOptions, startWorker: (settings: WorkerSettings) => WorkerLike) {
    this.#options = options;
    this.#worker = startWorker({
      kind: options.kind,
      threads: options.kind === 'cpu' ? options.threads : 1,
      threadsOfMachine: options.kind === 'cpu' ? (options.threadsOfMachine ?? options.threads) : 1,
      cores: options.kind === 'cpu' ? (options.cores ?? []) : [],
      deviceId: options.kind === 'cuda' ? options.deviceId : 0,
      auxiliary: options.auxiliary,
      shared: this.#shared.memory,
    });
    this.#worker.on('message', (reply: Reply | number) =>
      this.#settle(typeof reply === 'number' ? { id: reply, type: 'ran', outputs: undefined, ...this.#shared.output() } : reply),
    );
    this.#worker.on('error', (error) => this.#die(`the inference worker died: ${messageOf(error)}`));
    this.#exited = new Promise((resolve) => {
      this.#worker.on('exit', (code) => {
        this.#die(this.#closing ? 'the backend is closed' : `the inference worker ended with code ${code}`);
        resolve();
      });
    });
  }

  load(model: ModelFile): Observable<ModelInterface> {
    const { inputs: settings, specs } = this.#options;
    return this.#ask((id) => {
      if (!existsSync(model.file)) throw new ConfigError(`model ${model.name}: ${model.file} does not exist`);
      return [{ id, type: 'load', model: model.key ?? model.name, name: model.name, file: model.file, output: model.output }, []];
    }).pipe(
      map((reply) => {
        if (reply.type !== 'loaded') throw unexpected(reply);
        const loaded = interfaceOf(model.file, reply.inputs, reply.outputs, settings, model.inputs);
        const positions = specs === undefined ? loaded.inputs.map((_, i) => i) : inputPositions(model.file, loaded.inputs, specs);
        // The family's specs carry the deployment's settings, and may fix an axis that this model leaves open.
        const inputs = specs === undefined ? loaded.inputs : positions.map((i) => specs[i]);
        this.#models.set(model.key ?? model.name, {
          name: model.name,
          id: reply.id,
          inputs,
          names: reply.inputs.map(({ name }) => name),
          positions,
          fixedBatch: loaded.fixedBatch,
          outputs: reply.outputs.map(({ name }) => name),
        });
        return loaded;
      }),
    );
  }

  run(model: string, batch: readonly Sample[], wanted: readonly string[] = []): Observable<BatchOutput> {
    return this.#ask((id) => {
      const loaded = this.#models.get(model);
      if (loaded === undefined) throw new CascadeError('INTERNAL', `model ${model} is not loaded`);
      const { name, inputs, names, positions, outputs } = loaded;
      const unknown = wanted.find((output) => !outputs.includes(output));
      if (unknown !== undefined) throw invalid(`model ${name} has no output ${unknown}; its outputs are ${outputs.join(', ')}`);
      const rows = padded(name, batch, loaded.fixedBatch);
      // While nothing else is pending, the shared memory is free and orders cannot overtake each other.
      const allocate = this.#pending.size === 0 ? this.#shared.allocator() : ownMemory;
      const feeds = inputs.map((spec, i): Feed => {
        const tensors = rows.map((sample) => sample[positions[i]]);
        return { name: names[i], dtype: spec.dtype, ...stack(spec, tensors, allocate) };
      });
      if (wanted.length === 0 && this.#shared.put(id, loaded.id, feeds)) return undefined;
      const owned = feeds.map((feed) => ({ ...feed, data: this.#shared.holds(feed.data) ? feed.data.slice() : feed.data }));
      return [{ id, type: 'run', model, feeds: owned, outputs: wanted }, owned.map(({ data }) => data.buffer as ArrayBuffer)];
    }).pipe(
      map((reply) => {
        if (reply.type !== 'ran') throw unexpected(reply);
        const { scores, classes, auxiliary, computeMs, outputs } = reply;
        return {
          scores: scores.subarray(0, batch.length * classes),
          classes,
          auxiliary: auxiliary?.subarray(0, batch.length * (auxiliary.length / (scores.length / classes))),
          computeMs,
          ...(outputs === undefined ? {} : { outputs: outputs.map((output) => firstRows(output, batch.length)) }),
        };
      }),
    );
  }

  unload(model: string): Observable<void> {
    return this.#ask((id) => {
      this.#models.delete(model);
      return [{ id, type: 'unload', model }, []];
    }).pipe(map(() => undefined));
  }

  async close(): Promise<void> {
    // By message, so that the current inference can finish: terminating the thread during one would abort the whole process.
    if (!this.#closing && this.#dead === undefined) this.#post({ id: this.#nextId++, type: 'close' }, []);
    this.#closing = true;
    this.#worker.ref();
    await this.#exited;
  }

  /**
   * Sends an order on subscription. After an unsubscribe, the order is still carried out and its reply dropped.
   * @param write returns the order and the buffers to transfer with it; undefined if the order is in the shared memory.
   */
  #ask(write: (id: number) => [Order, ArrayBuffer[]] | undefined): Observable<Reply> {
    return new Observable((subscriber) => {
      if (this.#dead !== undefined || this.#closing) {
        subscriber.error(this.#dead ?? new CascadeError('UNAVAILABLE', 'the backend is closed'));
        return;
      }
      const id = this.#nextId++;
      const message = write(id);
      this.#pending.set(id, {
        resolve: (reply) => {
          subscriber.next(reply);
          subscriber.complete();
        },
        reject: (error) => subscriber.error(error),
      });
      if (message === undefined) this.#shared.notify();
      else this.#post(...message);
    });
  }

  #post(order: Order, transfer: ArrayBuffer[]): void {
    this.#worker.postMessage(order, transfer);
    this.#shared.notify();
  }

  #settle(reply: Reply): void {
    if (reply.type === 'started') {
      if (Number.isFinite(reply.thread)) this.thread = reply.thread;
      // Not in the worker, because it sleeps without running its event loop.
      for (const warning of reply.warnings) process.emitWarning(warning);
      return;
    }
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (reply.type !== 'failed') pending?.resolve(reply);
    else pending?.reject(failureOf(reply));
  }

  #die(reason: string): void {
    if (this.#dead !== undefined) return;
    this.#dead = new CascadeError('UNAVAILABLE', reason);
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(this.#dead);
  }
}

/** Pads the batch with copies of its last sample if the graph fixes a larger size. */
function padded(model: string, batch: readonly Sample[], fixedBatch: number | undefined): readonly Sample[] {
  if (fixedBatch === undefined || batch.length === fixedBatch) return batch;
  if (batch.length > fixedBatch) {
    throw new CascadeError('INTERNAL', `model ${model} has its batch size fixed at ${fixedBatch}; it was given ${batch.length}`);
  }
  return Array.from({ length: fixedBatch }, (_, i) => batch[Math.min(i, batch.length - 1)]);
}

function firstRows(output: OutputTensor, rows: number): OutputTensor {
  const end = endOf(output.dtype, [rows, ...output.shape], output.data, 0);
  return { ...output, data: output.data.subarray(0, end) };
}

function ownMemory(bytes: number): Uint8Array {
  return new Uint8Array(bytes);
}

function spawn(settings: WorkerSettings): WorkerLike {
  const { url, execArgv } = entry('engine/backend/onnx-worker');
  return new Worker(url, { workerData: settings, execArgv: [...execArgv], name: 'onnx' });
}

function failureOf({ reason, message }: Extract<Reply, { type: 'failed' }>): Error {
  switch (reason) {
    case 'config':
      return new ConfigError(message);
    case 'input':
      return invalid(message);
    case 'internal':
      return new CascadeError('INTERNAL', message);
    default:
      return assertNever(reason);
  }
}

function unexpected(reply: Reply): Error {
  return new Error(`unexpected reply ${reply.type} of the inference worker`);
}
