import type { BusMessage } from '../../engine/bus/bus.ts';
import { checkHeaders } from '../../engine/bus/publish-rules.ts';
import { invalid } from '../../engine/errors.ts';
import type { TensorSpec } from '../../engine/tensor/tensor.ts';
import { TRACE_HEADER } from '../../engine/tracing/tracing.ts';
import { CANCEL_HEADER, checkToken, parseCancellation, TOKEN_HEADER } from '../../plans/protocol/cancel.ts';
import { ClientNumbers, isFromStore } from '../../plans/protocol/client-of.ts';
import type { Cancellation } from '../../plans/protocol/control-messages.ts';
import { checkDeadline, checkId, isMap, parseRequest } from '../../plans/protocol/request.ts';
import { answerSubject, type Subjects } from '../../plans/protocol/subjects.ts';
import { acceptedFormat, answerFormat, bodyFormat, decodeUntrusted, isOpaque } from '../../plans/protocol/untrusted.ts';

/** Bounded, because each request of a frame has its own answer, and a small body must not cause a million answers. */
const FRAME_MAX_REQUESTS = 4_096;
/** A work frame adds some bytes to a request, and must stay within the server's maximum payload. */
const FRAME_HEADROOM_BYTES = 4_096;

/** Where to answer a message, and who sent it. */
interface Address {
  readonly reply: string;
  readonly json: boolean;
  readonly id: string | undefined;
  readonly sender: number;
  /** From the durable ingress, which sends the requests of many clients: invalid ones must not count against it. */
  readonly stored: boolean;
  /** Size of the message's body. */
  readonly bytes: number;
}

/** What a message says about all its requests. */
export interface Envelope extends Address {
  readonly deadlineMs: number | undefined;
  readonly token: string | undefined;
  /** Identifies the client's span. */
  readonly traceparent: string | undefined;
}

/** A client's message, decoded except for its requests. */
export type Opened =
  | { readonly type: 'requests'; readonly envelope: Envelope; readonly values: readonly unknown[] }
  | { readonly type: 'cancellation'; readonly address: Address; readonly cancellation: Cancellation }
  /** From a client that sent too many invalid requests. */
  | { readonly type: 'unread'; readonly address: Address; readonly closedForMs: number }
  | { readonly type: 'unreadable'; readonly address: Address; readonly error: unknown }
  /** No more messages will come. */
  | { readonly type: 'end' };

export interface IntakeOptions {
  readonly subjects: Subjects;
  readonly specs: readonly TensorSpec[];
  /** Outputs that requests may ask for; default: none. */
  readonly outputs?: readonly string[] | undefined;
  readonly maxPayloadBytes: number;
  /** Whether to read the trace header; default: no. */
  readonly traces?: boolean;
}

/** Decodes clients' messages. */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #maxBodyBytes: number;
  readonly #clients = new ClientNumbers();

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#maxBodyBytes = options.maxPayloadBytes - FRAME_HEADROOM_BYTES;
  }

  /** @param closedForMs returns how long a sender's messages will not be read; undefined: they are read. */
  open(message: BusMessage, closedForMs: (sender: number) => number | undefined): Opened {
    const { subjects } = this.#options;
    const { data } = message;
    const contentType = message.header('Content-Type');
    const accept = message.header('Accept');
    // Filled in step by step, so that an error is answered with what is known by then.
    const address: { -readonly [K in keyof Address]: Address[K] } = {
      reply: subjects.results,
      json: answerFormat(data, contentType, accept) === 'json',
      id: undefined,
      sender: this.#clients.of(message),
      stored: isFromStore(message),
      bytes: data.length,
    };
    try {
      address.reply = answerSubject(subjects, message.reply, message.header('Cascade-Results'));
      checkHeaders(message);
      address.id = headerId(message);
      acceptedFormat(accept);
      if (data.length > this.#maxBodyBytes)
        throw invalid(`body of ${data.length} bytes; at most ${this.#maxBodyBytes} are accepted`);
      const cancelled = message.header(CANCEL_HEADER);
      if (cancelled !== undefined)
        return { type: 'cancellation', address, cancellation: parseCancellation(cancelled, data, contentType) };
      const closed = address.stored ? undefined : closedForMs(address.sender);
      if (closed !== undefined) return { type: 'unread', address, closedForMs: closed };
      const deadlineMs = headerDeadline(message);
      const token = headerToken(message);
      const traceparent = this.#options.traces ? message.header(TRACE_HEADER) : undefined;
      const body = isOpaque(contentType) ? this.#rawBody(data) : decodeUntrusted(data, bodyFormat(data, contentType));
      const values = Array.isArray(body) ? this.#checkFrame(body) : [body];
      const { reply, json, sender, stored, bytes } = address;
      const id = Array.isArray(body) ? undefined : address.id;
      const envelope: Envelope = { reply, json, id, sender, stored, bytes, deadlineMs, token, traceparent };
      return { type: 'requests', envelope, values };
    } catch (error) {
      return { type: 'unreadable', address, error };
    }
  }

  #checkFrame(values: readonly unknown[]): readonly unknown[] {
    const { specs, outputs } = this.#options;
    if (values.length === 0) throw invalid('a frame is a list of at least one request; this one is empty');
    if (values.length > FRAME_MAX_REQUESTS)
      throw invalid(`a frame of ${values.length} requests; at most ${FRAME_MAX_REQUESTS} are accepted in one`);
    // A list of numbers is not a frame but a malformed request, so it gets one answer.
    if (!values.some(isMap)) parseRequest(values[0], specs, outputs);
    return values;
  }

  /** The body is the bytes of the family's only input. */
  #rawBody(data: Uint8Array): unknown {
    const { specs } = this.#options;
    if (specs.length === 1) return { inputs: { [specs[0].name]: data } };
    const names = specs.map((spec) => spec.name).join(', ');
    throw invalid(`Content-Type application/octet-stream is for families of one input; this one has ${names}`);
  }
}

function headerId(message: BusMessage): string | undefined {
  const id = message.header('Cascade-Id');
  if (id !== undefined) checkId(id);
  return id;
}

function headerToken(message: BusMessage): string | undefined {
  const token = message.header(TOKEN_HEADER);
  return token === undefined ? undefined : checkToken(token, TOKEN_HEADER);
}

function headerDeadline(message: BusMessage): number | undefined {
  const text = message.header('Cascade-Deadline-Ms');
  if (text === undefined) return undefined;
  const deadlineMs = text.trim() === '' ? Number.NaN : Number(text);
  // The error shows the original text if it is not a number.
  checkDeadline(Number.isNaN(deadlineMs) ? text : deadlineMs);
  return deadlineMs;
}
