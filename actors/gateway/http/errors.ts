import { CascadeError } from '../../../engine/errors.ts';
import type { Logger } from '../../../engine/log.ts';
import { type HttpErrorStatus, httpStatus, retryAfterSeconds } from './http-status.ts';
import { BodyTooLarge } from './read-body.ts';

/** The HTTP answer to an error. */
export interface ErrorAnswer {
  readonly status: HttpErrorStatus;
  readonly error: string;
  readonly headers: Readonly<Record<string, string>>;
}

export function errorAnswer(error: unknown, log: Logger): ErrorAnswer {
  if (error instanceof BodyTooLarge) return { status: 413, error: error.message, headers: {} };
  if (!(error instanceof CascadeError)) {
    log.error({ err: error }, 'a request failed because of a bug in the gateway');
    return { status: 500, error: 'INTERNAL: the gateway failed; its log says why', headers: {} };
  }
  const seconds = retryAfterSeconds(error);
  return {
    status: httpStatus(error),
    error: `${error.code}: ${error.message}`,
    headers: seconds === undefined ? {} : { 'Retry-After': String(seconds) },
  };
}
