import { checkHeaders } from '../../engine/bus/publish-rules.ts';
import type { QueuedMessage } from '../../engine/bus/work-queue.ts';
import { invalid } from '../../engine/errors.ts';
import { checkToken, TOKEN_HEADER } from '../../plans/protocol/cancel.ts';
import { checkId, deadlineOf, idOf } from '../../plans/protocol/request.ts';
import { answerSubject, type Subjects } from '../../plans/protocol/subjects.ts';
import { answerFormat, bodyFormat, decodeUntrusted, isOpaque } from '../../plans/protocol/untrusted.ts';

/** What the headers of a stored request say. The body is only decoded if it may hold a deadline. */
export interface DurableRequest {
  /** Header `Cascade-Id`, else the place in the store, which is the same at each attempt. An id in the body takes precedence. */
  readonly id: string;
  /** Header `Cascade-Deadline-Ms`, else `deadlineMs` of the body, counted from when it was stored; Infinity: none. */
  readonly deadlineMs: number;
  /** Header `Cascade-Token`, with which its client can cancel it. */
  readonly token: string | undefined;
}

const SPACE = [0x20, 0x09, 0x0a, 0x0d];

/**
 * Where the answer goes, even if the rest of the request is invalid. It cannot be the reply subject of NATS, which receives the
 * acknowledgement.
 * @throws CascadeError INVALID_ARGUMENT
 */
export function durableReplyTo(message: QueuedMessage, subjects: Subjects): string {
  return answerSubject(subjects, message.header('Cascade-Reply') ?? '', message.header('Cascade-Results'));
}

/**
 * @throws CascadeError INVALID_ARGUMENT for invalid headers, and for a frame, whose answers could not be distinguished from repeated
 *   ones.
 */
export function readDurableRequest(message: QueuedMessage, subjects: Subjects): DurableRequest {
  checkHeaders(message);
  const id = givenId(message);
  checkId(id);
  const deadline = message.header('Cascade-Deadline-Ms');
  const deadlineMs =
    deadline === undefined
      ? (bodyDeadline(message) ?? Number.POSITIVE_INFINITY)
      : deadline.trim() === ''
        ? Number.NaN
        : Number(deadline);
  if (!(deadlineMs > 0)) {
    throw invalid(`header Cascade-Deadline-Ms: ${JSON.stringify(deadline?.slice(0, 80))}; use milliseconds above 0`);
  }
  if (isFrame(message)) throw invalid(`a list of requests on ${subjects.durable}; store each request as a message of its own`);
  const token = message.header(TOKEN_HEADER);
  if (token !== undefined) checkToken(token, TOKEN_HEADER);
  return { id, deadlineMs, token };
}

/** Whether the answer is JSON, by the same rules as in the frontend. */
export function wantsJson({ data, header }: QueuedMessage): boolean {
  return answerFormat(data, header('Content-Type'), header('Accept')) === 'json';
}

/** The id for an answer that does not come from a frontend: from the body if it can be decoded, else like `readDurableRequest`. */
export function durableId(message: QueuedMessage): string {
  const header = message.header('Cascade-Id');
  return bodyId(message) ?? (header !== undefined && header.length <= 128 ? header : placeOf(message));
}

/** The id beside the body. An id in the body may hold line breaks, which no header can. */
export function givenId(message: QueuedMessage): string {
  return message.header('Cascade-Id') ?? placeOf(message);
}

function placeOf({ stream, sequence }: QueuedMessage): string {
  return `${stream}-${sequence}`;
}

function bodyId(message: QueuedMessage): string | undefined {
  return fromBody(message, idOf);
}

/** One that is not valid is refused by the frontend. */
function bodyDeadline(message: QueuedMessage): number | undefined {
  const { buffer, byteOffset, length } = message.data;
  return Buffer.from(buffer, byteOffset, length).includes('deadlineMs') ? fromBody(message, deadlineOf) : undefined;
}

function fromBody<T>(message: QueuedMessage, read: (value: unknown) => T | undefined): T | undefined {
  const { data, header } = message;
  const contentType = header('Content-Type');
  if (isOpaque(contentType) || isFrame(message)) return undefined;
  try {
    return read(decodeUntrusted(data, bodyFormat(data, contentType)));
  } catch {
    // A body that cannot be decoded says nothing; the answer says what is wrong with it.
    return undefined;
  }
}

/** Whether the first byte of the body starts a list in JSON or MessagePack. */
function isFrame({ data, header }: QueuedMessage): boolean {
  if (isOpaque(header('Content-Type'))) return false;
  const first = data.find((byte) => !SPACE.includes(byte)) ?? 0;
  return first === 0x5b || (first >= 0x90 && first <= 0x9f) || first === 0xdc || first === 0xdd;
}
