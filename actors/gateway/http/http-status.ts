import { type CascadeError, ERROR_NUMBERS } from '../../../engine/errors.ts';

type HttpStatus = 400 | 404 | 429 | 500 | 503 | 504;
export type HttpErrorStatus = HttpStatus | 413;

/** Our numbers are HTTP's, except that 408 would tell clients that they were too slow, and some would send the request again. */
export function httpStatus({ code }: CascadeError): HttpStatus {
  return code === 'DEADLINE_EXCEEDED' ? 504 : ERROR_NUMBERS[code];
}

/** Value of the header `Retry-After`; undefined: no header. */
export function retryAfterSeconds({ code, retryAfterMs }: CascadeError): number | undefined {
  if (code !== 'RESOURCE_EXHAUSTED' && code !== 'UNAVAILABLE') return undefined;
  return Math.max(1, Math.ceil((retryAfterMs ?? 0) / 1_000));
}
