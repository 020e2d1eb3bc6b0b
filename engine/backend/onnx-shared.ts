import type { BatchOutput } from './backend.ts';
import type { Feed } from './onnx-protocol.ts';

/** Larger inputs and outputs go by message: their compute time dwarfs the cost of passing them. */
const INPUT_BYTES = 256 * 1024;
const OUTPUT_BYTES = 64 * 1024;

/** Positions in the head, in units of four bytes. */
const SIGNAL = 0;
const FULL = 1;
const ID = 2;
const MODEL = 3;
const CLASSES = 4;
const SCORES = 5;
const AUXILIARY = 6;
/** Position of a float64, in units of eight bytes. */
const COMPUTE_MS = 4;
/** For each input: its number of dimensions, offset, length in bytes, and dimensions. */
const INPUTS = 10;
const HEAD_LENGTH = 128;
const NONE = -1;
/** Suits every element type, and is the size of a cache line. */
const ALIGNMENT = 64;

/** One input of a batch; both threads know its name and type. */
type Values = Pick<Feed, 'data' | 'dims'>;

/** A small batch as the worker reads it. */
export interface SharedOrder {
  readonly id: number;
  /** Id of the order that loaded the model. */
  readonly model: number;
  readonly inputs: readonly Values[];
}

/**
 * Memory shared by the event loop and the inference thread: the signal that the thread sleeps on, and space for one small batch and
 * its output. A message between threads (serialising, two transferred buffers, an event) costs more than the inference of a tiny
 * model. There is space for one batch only, so the writer must know that it is free.
 */
export class SharedBatch {
  readonly memory: SharedArrayBuffer;
  readonly #head: Int32Array;
  readonly #computeMs: Float64Array;
  readonly #input: Uint8Array;
  readonly #output: Float32Array;
  /** The worker's copy of the inputs, reused because allocating memory for each batch costs more than the copying. */
  #copy: Uint8Array | undefined;

  constructor(memory = new SharedArrayBuffer(4 * HEAD_LENGTH + INPUT_BYTES + OUTPUT_BYTES)) {
    this.memory = memory;
    this.#head = new Int32Array(memory, 0, HEAD_LENGTH);
    this.#computeMs = new Float64Array(memory, 8 * COMPUTE_MS, 1);
    this.#input = new Uint8Array(memory, 4 * HEAD_LENGTH, INPUT_BYTES);
    this.#output = new Float32Array(memory, 4 * HEAD_LENGTH + INPUT_BYTES, OUTPUT_BYTES / 4);
  }

  /** Wakes the worker. */
  notify(): void {
    Atomics.add(this.#head, SIGNAL, 1);
    Atomics.notify(this.#head, SIGNAL);
  }

  /** The value to pass to `sleep`: read it before looking for work. */
  signal(): number {
    return Atomics.load(this.#head, SIGNAL);
  }

  /** Blocks the thread until the next `notify`; returns at once if there was one since `seen`. */
  sleep(seen: number): void {
    Atomics.wait(this.#head, SIGNAL, seen);
  }

  /** Allocates the inputs of one batch in the shared memory, one after the other, and elsewhere once that is full. */
  allocator(): (bytes: number) => Uint8Array {
    let from = 0;
    return (bytes) => {
      const to = from + bytes;
      if (to > INPUT_BYTES) return new Uint8Array(bytes);
      const room = this.#input.subarray(from, to);
      from = Math.ceil(to / ALIGNMENT) * ALIGNMENT;
      return room;
    };
  }

  /** Whether data lies in the shared memory. */
  holds(data: Uint8Array): boolean {
    return data.buffer === this.memory;
  }

  /** Writes an order for a batch. @returns false if not all inputs lie in the shared memory, or their shapes do not fit. */
  put(id: number, model: number, inputs: readonly Values[]): boolean {
    const length = inputs.reduce((sum, { dims }) => sum + 3 + dims.length, INPUTS);
    if (length > HEAD_LENGTH || !inputs.every(({ data }) => this.holds(data))) return false;
    let at = INPUTS;
    for (const { data, dims } of inputs) {
      this.#head[at++] = dims.length;
      this.#head[at++] = data.byteOffset - this.#input.byteOffset;
      this.#head[at++] = data.length;
      for (const dimension of dims) this.#head[at++] = dimension;
    }
    this.#head[ID] = id;
    this.#head[MODEL] = model;
    Atomics.store(this.#head, FULL, inputs.length);
    return true;
  }

  /** Takes the batch, if there is one. Inputs are copies, since the runtime refuses shared memory; valid until the next `take`. */
  take(): SharedOrder | undefined {
    const count = Atomics.exchange(this.#head, FULL, 0);
    if (count === 0) return undefined;
    this.#copy ??= new Uint8Array(INPUT_BYTES);
    const inputs: Values[] = [];
    let at = INPUTS;
    for (let i = 0; i < count; i++) {
      const rank = this.#head[at++];
      const from = this.#head[at++];
      const to = from + this.#head[at++];
      this.#copy.set(this.#input.subarray(from, to), from);
      inputs.push({ data: this.#copy.subarray(from, to), dims: Array.from(this.#head.subarray(at, at + rank)) });
      at += rank;
    }
    return { id: this.#head[ID], model: this.#head[MODEL], inputs };
  }

  /** @returns false if the output does not fit. */
  putOutput({ scores, classes, auxiliary, computeMs }: BatchOutput): boolean {
    if (scores.length + (auxiliary?.length ?? 0) > this.#output.length) return false;
    this.#output.set(scores);
    if (auxiliary !== undefined) this.#output.set(auxiliary, scores.length);
    this.#head[CLASSES] = classes;
    this.#head[SCORES] = scores.length;
    this.#head[AUXILIARY] = auxiliary?.length ?? NONE;
    this.#computeMs[0] = computeMs;
    return true;
  }

  /** A copy of the output. */
  output(): BatchOutput & { scores: Float32Array<ArrayBuffer>; auxiliary: Float32Array<ArrayBuffer> | undefined } {
    const split = this.#head[SCORES];
    const auxiliaries = this.#head[AUXILIARY];
    return {
      scores: new Float32Array(this.#output.subarray(0, split)),
      classes: this.#head[CLASSES],
      auxiliary: auxiliaries === NONE ? undefined : new Float32Array(this.#output.subarray(split, split + auxiliaries)),
      computeMs: this.#computeMs[0],
    };
  }
}
