import { SUBJECT_TOKEN } from '../../engine/actor/subject.ts';
import { invalid } from '../../engine/errors.ts';
import type { Cancellation } from './control-messages.ts';
import { checkId } from './request.ts';
import { bodyFormat, decodeUntrusted } from './untrusted.ts';

/** Header on a message of requests: a secret chosen by the sender, with which it can cancel them. */
export const TOKEN_HEADER = 'Cascade-Token';
/** Header on a `.infer` message: the token of the requests to cancel. Such a message asks for nothing and gets no answer. */
export const CANCEL_HEADER = 'Cascade-Cancel';

/** Short tokens can be guessed. */
const TOKEN_MIN_LENGTH = 16;

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
