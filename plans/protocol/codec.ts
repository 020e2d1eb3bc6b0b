import { Packr, Unpackr } from 'msgpackr';
import { MalformedMessage, messageOf } from '../../engine/errors.ts';
import type { Sample, Tensor, TensorSpec } from '../../engine/tensor/tensor.ts';
import { endOf } from '../../engine/tensor/tensor.ts';
import { valuesOf } from '../../engine/tensor/values-of.ts';
import { type Answer, isFailure, type Opinion, type WorkFrame, type WorkItem } from './messages.ts';
import { checkWorkColumns } from './work-check.ts';

// Plain MessagePack without record extensions, which any other MessagePack library can read.
const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });

export function encode(value: unknown): Uint8Array {
  return packr.pack(value);
}

/** Decodes a message from another of our actors. Bytes in the result are views of `data`. */
export function decode<T>(data: Uint8Array): T {
  return unpackr.unpack(data) as T;
}

/** @throws CascadeError INVALID_ARGUMENT for an output that JSON cannot give exactly. */
export function encodeAnswer(answer: Answer, json: boolean): Uint8Array {
  return json ? Buffer.from(JSON.stringify(readable(answer))) : packr.pack(answer);
}

export function encodeAnswers(answers: readonly Answer[], json: boolean): Uint8Array {
  return json ? Buffer.from(JSON.stringify(answers.map(readable))) : packr.pack(answers);
}

/** JSON cannot hold bytes, so outputs become lists of values. */
function readable(answer: Answer): unknown {
  if (isFailure(answer) || answer.outputs === undefined) return answer;
  const outputs = Object.entries(answer.outputs).map(([name, value]) => [
    name,
    { ...value, data: valuesOf(value, `output ${name}`, 'ask for the answer in MessagePack (Accept)') },
  ]);
  return { ...answer, outputs: Object.fromEntries(outputs) };
}

/** A work frame on the wire: one column per field, tensors of all requests end to end. */
interface WireFrame {
  origin: string;
  seq: number[];
  /** Absent when all requests belong to one unnumbered client. */
  client?: number[];
  id: string[];
  reply: string[];
  /** Bit 0: answer as JSON; bit 1: scores wanted; bit 2: run in a batch of its own. */
  flags: number[];
  ageMs: number[];
  leftMs: number[];
  queueMs: number[];
  computeMs: number[];
  opinion: (Opinion | null)[] | null;
  /** Names of the outputs wanted, usually none; absent when no request wants any. */
  outputs?: (readonly string[])[];
  /** Traces, usually none; absent when no request is traced. */
  trace?: string[];
  /** Per input: bytes of all samples, and their shapes if an axis is ragged. */
  tensors: { data: Uint8Array; shapes: number[][] | null }[];
}

export function encodeWorkFrame(frame: WorkFrame, specs: readonly TensorSpec[], now: number): Uint8Array {
  const { items } = frame;
  const n = items.length;
  const wire: WireFrame = {
    origin: frame.origin,
    seq: new Array<number>(n),
    id: new Array<string>(n),
    reply: new Array<string>(n),
    flags: new Array<number>(n),
    ageMs: new Array<number>(n),
    leftMs: new Array<number>(n),
    queueMs: new Array<number>(n),
    computeMs: new Array<number>(n),
    opinion: items.some((item) => item.opinion !== undefined) ? items.map((item) => item.opinion ?? null) : null,
    tensors: specs.map((spec, i) => ({
      data: joined(items, i),
      shapes: isRagged(spec) ? items.map((item) => [...item.sample[i].shape]) : null,
    })),
  };
  for (let i = 0; i < n; i++) {
    const item = items[i];
    wire.seq[i] = item.seq;
    wire.id[i] = item.id;
    wire.reply[i] = item.reply;
    wire.flags[i] = (item.json ? 1 : 0) | (item.wantScores ? 2 : 0) | (item.alone ? 4 : 0);
    wire.ageMs[i] = now - item.arrivedAt;
    wire.leftMs[i] = item.deadlineAt - now;
    wire.queueMs[i] = item.queueMs;
    wire.computeMs[i] = item.computeMs;
  }
  if (items.some(isOfClient)) wire.client = items.map(({ client = 0 }) => client);
  if (items.some(isTraced)) wire.trace = items.map(({ trace = '' }) => trace);
  if (items.some(wantsOutputs)) wire.outputs = items.map((item) => item.wantOutputs ?? []);
  return packr.pack(wire);
}

/** Reads a work frame. Tensors are copies, so callers may keep them. @throws MalformedMessage unless the frame is complete. */
export function decodeWorkFrame(data: Uint8Array, specs: readonly TensorSpec[], now: number): WorkFrame {
  const wire = unpackFrame(data);
  const n = checkWorkColumns(wire, specs);
  const columns = specs.map((spec, i) => splitColumn(spec, wire.tensors[i], n));
  const items: WorkItem[] = new Array(n);
  for (let i = 0; i < n; i++) {
    items[i] = {
      seq: wire.seq[i],
      client: wire.client?.[i],
      id: wire.id[i],
      reply: wire.reply[i],
      json: (wire.flags[i] & 1) !== 0,
      wantScores: (wire.flags[i] & 2) !== 0,
      wantOutputs: wire.outputs?.[i].length ? wire.outputs[i] : undefined,
      alone: (wire.flags[i] & 4) !== 0,
      arrivedAt: now - wire.ageMs[i],
      deadlineAt: now + wire.leftMs[i],
      queueMs: wire.queueMs[i],
      computeMs: wire.computeMs[i],
      opinion: ownOpinion(wire.opinion?.[i]),
      trace: wire.trace?.[i] || undefined,
      sample: columns.length === 1 ? [columns[0][i]] : (columns.map((column) => column[i]) as Sample),
    };
  }
  return { origin: wire.origin, items };
}

function isOfClient({ client = 0 }: WorkItem): boolean {
  return client !== 0;
}

function isTraced({ trace }: WorkItem): boolean {
  return trace !== undefined;
}

function wantsOutputs({ wantOutputs = [] }: WorkItem): boolean {
  return wantOutputs.length > 0;
}

/** Copies the outputs, which are views of the frame, so that they can outlive it. */
function ownOpinion(opinion: Opinion | null | undefined): Opinion | undefined {
  if (!opinion?.outputs) return opinion ?? undefined;
  const outputs = Object.entries(opinion.outputs).map(([name, value]) => [name, { ...value, data: value.data.slice() }]);
  return { ...opinion, outputs: Object.fromEntries(outputs) };
}

function unpackFrame(data: Uint8Array): WireFrame {
  try {
    return unpackr.unpack(data) as WireFrame;
  } catch (error) {
    throw new MalformedMessage('work', 'not MessagePack', messageOf(error));
  }
}

/** Upper bound on the size of a frame besides its items. */
export const FRAME_RESERVE_BYTES = 512;
/** Upper bounds in MessagePack: a number; a UTF-16 unit as UTF-8; and what precedes a text, a list or bytes. */
const NUMBER_BYTES = 9;
const CHARACTER_BYTES = 3;
const LENGTH_BYTES = 5;
/** The numbers and flags of an item, its place in columns that it does not fill, and the lengths of its texts. */
const ITEM_BYTES = 80;
/** Field names, numbers and lengths of an opinion. */
const OPINION_BYTES = 160;
/** Field names, type and lengths of an output. */
const OUTPUT_BYTES = 64;
/** Field names and lengths of an input. */
const INPUT_BYTES = 32;

/** Upper bound on the bytes that an item adds to a frame, for keeping frames below the server's maximum payload. */
export function estimatedBytes({ id, reply, trace = '', wantOutputs, opinion, sample }: WorkItem): number {
  let bytes = ITEM_BYTES + CHARACTER_BYTES * (id.length + reply.length + trace.length);
  if (wantOutputs !== undefined) for (const name of wantOutputs) bytes += LENGTH_BYTES + CHARACTER_BYTES * name.length;
  if (opinion !== undefined) bytes += estimatedOpinionBytes(opinion);
  for (const { data, shape } of sample) bytes += INPUT_BYTES + data.length + NUMBER_BYTES * shape.length;
  return bytes;
}

function estimatedOpinionBytes({ model, labels = [], value = 0, scores = [], outputs = {} }: Opinion): number {
  const values = typeof value === 'number' ? 0 : value.length;
  let bytes = OPINION_BYTES + CHARACTER_BYTES * model.length + NUMBER_BYTES * (labels.length + values + scores.length);
  for (const [name, { shape, data }] of Object.entries(outputs))
    bytes += OUTPUT_BYTES + CHARACTER_BYTES * name.length + NUMBER_BYTES * shape.length + data.length;
  return bytes;
}

function isRagged(spec: TensorSpec): boolean {
  return spec.shape.includes(null);
}

function joined(items: readonly WorkItem[], input: number): Uint8Array {
  if (items.length === 1) return items[0].sample[input].data;
  return Buffer.concat(items.map((item) => item.sample[input].data));
}

export function splitColumn(spec: TensorSpec, column: WireFrame['tensors'][number], n: number): Tensor[] {
  const own = new Uint8Array(column.data);
  const tensors: Tensor[] = new Array(n);
  let from = 0;
  for (let i = 0; i < n; i++) {
    const shape = column.shapes === null ? (spec.shape as number[]) : column.shapes[i];
    const to = endOf(spec.dtype, shape, own, from);
    tensors[i] = { data: own.subarray(from, to), shape };
    from = to;
  }
  if (from !== own.length) {
    throw new MalformedMessage('work', 'tensor bytes', `${spec.name} has ${own.length} bytes where its shapes need ${from}`);
  }
  return tensors;
}
