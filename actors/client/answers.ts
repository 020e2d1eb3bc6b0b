import { CascadeError, ERROR_NUMBERS, type ErrorCode, messageOf } from '../../engine/errors.ts';
import { decode } from '../../plans/protocol/codec.ts';
import { type Answer, type Failure, isFailure } from '../../plans/protocol/messages.ts';

const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;

/**
 * The answers in a message: one, or a frame of many; MessagePack, or JSON if the request was JSON. A refusal of many requests becomes one
 * per request.
 * @throws CascadeError INTERNAL when the message is not an answer.
 */
export function decodeAnswers(data: Uint8Array): readonly Answer[] {
  let value: unknown;
  try {
    // Neither byte can begin a MessagePack map or list.
    const json = data[0] === OPEN_BRACE || data[0] === OPEN_BRACKET;
    value = json ? JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.length).toString()) : decode(data);
  } catch (error) {
    throw new CascadeError('INTERNAL', `the answer of ${data.length} bytes cannot be decoded: ${messageOf(error)}`);
  }
  const answers: readonly unknown[] = Array.isArray(value) ? value : [value];
  for (const answer of answers) {
    if (!isAnswer(answer)) {
      throw new CascadeError(
        'INTERNAL',
        `an answer must have an id and a certainty or an error, but this is ${JSON.stringify(answer)?.slice(0, 200)}`,
      );
    }
  }
  return (answers as readonly Answer[]).flatMap((answer) => (isFailure(answer) ? eachOf(answer) : answer));
}

function eachOf({ id, ids = [], error }: Failure): Failure | Failure[] {
  return ids.length === 0 ? { id, error } : ids.map((each) => ({ id: each, error }));
}

function isAnswer(value: unknown): value is Answer {
  if (typeof value !== 'object' || value === null) return false;
  const { id, ids, certainty, error } = value as {
    id?: unknown;
    ids?: unknown;
    certainty?: unknown;
    error?: { code?: unknown; message?: unknown } | null;
  };
  if (typeof id !== 'string' || !(ids === undefined || Array.isArray(ids))) return false;
  return typeof certainty === 'number' || (typeof error === 'object' && typeof error?.message === 'string');
}

/** The error for a failure on the wire; an unknown code becomes INTERNAL. */
export function errorOf({ error }: Failure): CascadeError {
  const known = Object.hasOwn(ERROR_NUMBERS, error.code);
  if (!known) return new CascadeError('INTERNAL', `${error.code as string}: ${error.message}`);
  return new CascadeError(error.code, error.message, typeof error.retryAfterMs === 'number' ? error.retryAfterMs : undefined);
}

export function failureOf(id: string, code: ErrorCode, message: string): Failure {
  return { id, error: { code, message } };
}
