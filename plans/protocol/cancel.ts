import { invalid, MalformedMessage } from '../../engine/errors.ts';
import { decode } from './codec.ts';
import { checkId } from './request.ts';
import { SUBJECT_TOKEN } from './subjects.ts';
import { bodyFormat, decodeUntrusted } from './untrusted.ts';

/** On a message of requests: a secret of its sender, by which they can be cancelled. */
export const TOKEN_HEADER = 'Cascade-Token';
/** On a message on `.infer`: the token of the requests that its sender gives up. It asks for nothing and is not answered. */
export const CANCEL_HEADER = 'Cascade-Cancel';

/** Short ones can be guessed. */
const TOKEN_MIN_LENGTH = 16;

/** Requests whose client has given them up. */
export interface Cancellation {
  readonly token: string;
  /** Null: all that were sent with the token. */
  readonly ids: readonly string[] | null;
}

/** Frontend -> device: numbers of requests at their frontend. */
export interface CancelFrame {
  readonly origin: string;
  readonly seqs: readonly number[];
}

/** @throws CascadeError INVALID_ARGUMENT */
export function checkToken(token: string, header: string): string {
  if (token.length >= TOKEN_MIN_LENGTH && SUBJECT_TOKEN.test(token)) return token;
  const shown = JSON.stringify(token.slice(0, 80));
  throw invalid(`header ${header}: ${shown}; use ${TOKEN_MIN_LENGTH} to 64 letters, digits, _ or - that nobody can guess`);
}

/**
 * Reads a client's cancellation. Its body is a list of ids; an empty one means all requests of the token.
 * @throws CascadeError INVALID_ARGUMENT
 */
export function parseCancellation(token: string, data: Uint8Array, contentType: string | undefined): Cancellation {
  checkToken(token, CANCEL_HEADER);
  if (data.length === 0) return { token, ids: null };
  const ids = decodeUntrusted(data, bodyFormat(data, contentType));
  if (!Array.isArray(ids)) throw invalid('a cancellation is a list of ids, such as ["a", "b"], or empty for all of its token');
  for (const id of ids) checkId(id);
  return { token, ids };
}

/** Of one frontend, for all of them. @throws MalformedMessage */
export function decodeCancellations(data: Uint8Array): readonly Cancellation[] {
  const value = unpacked(data);
  if (!Array.isArray(value) || !value.every(isCancellation)) throw new MalformedMessage('cancel', 'not a list of tokens and ids');
  return value;
}

/** @throws MalformedMessage */
export function decodeCancelFrame(data: Uint8Array): CancelFrame {
  const { origin, seqs } = (unpacked(data) ?? {}) as { [K in keyof CancelFrame]?: unknown };
  if (typeof origin !== 'string' || !SUBJECT_TOKEN.test(origin)) throw new MalformedMessage('cancel', 'origin');
  if (!Array.isArray(seqs) || !seqs.every(Number.isSafeInteger)) throw new MalformedMessage('cancel', 'seqs');
  return { origin, seqs };
}

function unpacked(data: Uint8Array): unknown {
  try {
    return decode(data);
  } catch {
    throw new MalformedMessage('cancel', 'not MessagePack');
  }
}

function isCancellation(value: unknown): value is Cancellation {
  const { token, ids } = (value ?? {}) as { [K in keyof Cancellation]?: unknown };
  return typeof token === 'string' && (ids === null || (Array.isArray(ids) && ids.every((id) => typeof id === 'string')));
}
