import type { QueuedMessage } from '../../engine/bus/work-queue.ts';
import { invalid } from '../../engine/errors.ts';
import { checkToken, TOKEN_HEADER } from '../../plans/protocol/cancel.ts';
import { checkId, idOf } from '../../plans/protocol/request.ts';
import { answerSubject, type Subjects } from '../../plans/protocol/subjects.ts';
import { answerFormat, bodyFormat, decodeUntrusted, isOpaque } from '../../plans/protocol/untrusted.ts';

/** What a stored request says about itself beside its body, which stays as it is. */
export interface DurableRequest {
  /** Header `Cascade-Id`, or where it is stored: the same at each try. An id in the body comes before it. */
  readonly id: string;
  /** Header `Cascade-Deadline-Ms`, counted from when it was stored; Infinity: none. */
  readonly deadlineMs: number;
  /** Header `Cascade-Token`: with which its client can give it up. */
  readonly token: string | undefined;
}

const SPACE = [0x20, 0x09, 0x0a, 0x0d];

/**
 * Where the answer goes, also one that says what else is wrong with the request. The reply subject of NATS is taken by the
 * acknowledgement.
 * @throws CascadeError INVALID_ARGUMENT
 */
export function durableReplyTo(message: QueuedMessage, subjects: Subjects): string {
  return answerSubject(subjects, message.header('Cascade-Reply') ?? '', message.header('Cascade-Results'));
}

/**
 * @throws CascadeError INVALID_ARGUMENT for headers that are wrong, and for a frame: its answers could not be told from
 *   answers that come again.
 */
export function readDurableRequest(message: QueuedMessage, subjects: Subjects): DurableRequest {
  const id = message.header('Cascade-Id') ?? placeOf(message);
  checkId(id);
  const deadline = message.header('Cascade-Deadline-Ms');
  const deadlineMs = deadline === undefined ? Number.POSITIVE_INFINITY : deadline.trim() === '' ? Number.NaN : Number(deadline);
  if (!(deadlineMs > 0)) {
    throw invalid(`header Cascade-Deadline-Ms: ${JSON.stringify(deadline?.slice(0, 80))}; use milliseconds above 0`);
  }
  if (isFrame(message)) throw invalid(`a list of requests on ${subjects.durable}; store each request as a message of its own`);
  const token = message.header(TOKEN_HEADER);
  if (token !== undefined) checkToken(token, TOKEN_HEADER);
  return { id, deadlineMs, token };
}

/** Whether the answer is JSON: as the frontend has it. */
export function wantsJson({ data, header }: QueuedMessage): boolean {
  return answerFormat(data, header('Content-Type'), header('Accept')) === 'json';
}

/** The id for an answer that no frontend gives: from the body, as far as it can be read; else as `readDurableRequest`. */
export function durableId(message: QueuedMessage): string {
  const header = message.header('Cascade-Id');
  return bodyId(message) ?? (header !== undefined && header.length <= 128 ? header : placeOf(message));
}

function placeOf({ stream, sequence }: QueuedMessage): string {
  return `${stream}-${sequence}`;
}

function bodyId(message: QueuedMessage): string | undefined {
  const { data, header } = message;
  const contentType = header('Content-Type');
  if (isOpaque(contentType) || isFrame(message)) return undefined;
  try {
    return idOf(decodeUntrusted(data, bodyFormat(data, contentType)));
  } catch {
    // A body that cannot be read has no id; what is wrong with it is said by the answer.
    return undefined;
  }
}

/** By the first byte of the body: a list in JSON, or in MessagePack. */
function isFrame({ data, header }: QueuedMessage): boolean {
  if (isOpaque(header('Content-Type'))) return false;
  const first = data.find((byte) => !SPACE.includes(byte)) ?? 0;
  return first === 0x5b || (first >= 0x90 && first <= 0x9f) || first === 0xdc || first === 0xdd;
}
