import type { ErrorCode } from '../../engine/errors.ts';
import type { Failure } from '../../plans/protocol/messages.ts';

/** Bound on an answer with individual refusals: this many bytes, plus this many times the size of the message. */
const LISTED_BYTES = 16 * 1_024;
const LISTED_PER_BYTE = 3;
/** Field names, code and hint of a refusal. */
const FRAME_BYTES = 64;

interface Rest {
  readonly first: Failure;
  readonly ids: string[];
  count: number;
  retryAfterMs: number | undefined;
}

/**
 * The refusals of one message. They are listed individually while the answer stays in proportion to the message; the rest is listed once
 * per code, by ids, because a few bytes per request must not cause an answer of hundreds.
 */
export class Refusals {
  readonly #listed: Failure[] = [];
  /** Usually nothing is refused, so it is created when it is needed. */
  #rest: Map<ErrorCode, Rest> | undefined;
  #leftBytes: number;

  constructor(messageBytes: number) {
    this.#leftBytes = LISTED_BYTES + LISTED_PER_BYTE * messageBytes;
  }

  /** Whether further refusals are no longer listed individually. */
  get areMany(): boolean {
    return this.#rest !== undefined;
  }

  add(failure: Failure): void {
    this.#leftBytes -= FRAME_BYTES + failure.id.length + failure.error.message.length;
    if (this.#leftBytes >= 0) this.#listed.push(failure);
    else this.#addToRest(failure);
  }

  /** Records something that is not a request, after many refusals. */
  addUnread(id = ''): void {
    this.#addToRest({ id, error: UNREAD });
  }

  /** The answers to send. */
  get failures(): readonly Failure[] {
    return this.#rest === undefined ? this.#listed : [...this.#listed, ...Array.from(this.#rest.values(), summarize)];
  }

  #addToRest(failure: Failure): void {
    const { id, error } = failure;
    this.#rest ??= new Map();
    let rest = this.#rest.get(error.code);
    if (rest === undefined) {
      rest = { first: failure, ids: [], count: 0, retryAfterMs: undefined };
      this.#rest.set(error.code, rest);
    }
    rest.count++;
    if (id !== '') rest.ids.push(id);
    if (error.retryAfterMs !== undefined) rest.retryAfterMs = Math.max(rest.retryAfterMs ?? 0, error.retryAfterMs);
  }
}

const UNREAD: Failure['error'] = { code: 'INVALID_ARGUMENT', message: 'a request is a map that has inputs' };

function summarize({ first, ids, count, retryAfterMs }: Rest): Failure {
  if (count === 1) return first;
  const { code, message } = first.error;
  const words = `${count} more requests in this message were refused; the first: ${message}`;
  return { id: '', ids, error: { code, message: words, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) } };
}
