import { type CascadeError, ERROR_NUMBERS } from '../../../engine/errors.ts';

type HttpStatus = 400 | 404 | 429 | 500 | 503 | 504;
export type HttpErrorStatus = HttpStatus | 413;

/** Our numbers are those of HTTP but for one: 408 would tell clients that they were too slow, and some send the request again. */
export function httpStatus({ code }: CascadeError): HttpStatus {
  return code === 'DEADLINE_EXCEEDED' ? 504 : ERROR_NUMBERS[code];
}

/** Seconds, as the header `Retry-After` has them; undefined where it says nothing. */
export function retryAfterSeconds({ code, retryAfterMs }: CascadeError): number | undefined {
  if (code !== 'RESOURCE_EXHAUSTED' && code !== 'UNAVAILABLE') return undefined;
  return Math.max(1, Math.ceil((retryAfterMs ?? 0) / 1_000));
}
