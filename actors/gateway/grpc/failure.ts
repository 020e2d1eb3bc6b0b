import { Metadata, status } from '@grpc/grpc-js';
import { CascadeError, type ErrorCode } from '../../../engine/errors.ts';
import type { Logger } from '../../../engine/log.ts';

const STATUS: Readonly<Record<ErrorCode, status>> = {
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  NOT_FOUND: status.NOT_FOUND,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  RESOURCE_EXHAUSTED: status.RESOURCE_EXHAUSTED,
  INTERNAL: status.INTERNAL,
  UNAVAILABLE: status.UNAVAILABLE,
};
/** Tells clients with automatic retries when to retry. */
const PUSHBACK = 'grpc-retry-pushback-ms';

/** A call's status instead of an answer. */
export interface GrpcFailure {
  readonly code: status;
  readonly details: string;
  readonly metadata?: Metadata;
}

/** The answer to a request that ran into a bug. */
export const FAILED: GrpcFailure = { code: status.INTERNAL, details: 'the gateway failed; its log says why' };

export function failureOf(error: unknown, log: Logger): GrpcFailure {
  if (!(error instanceof CascadeError)) {
    log.error({ err: error }, 'a request failed because of a bug in the gateway');
    return FAILED;
  }
  const metadata = new Metadata();
  if (error.retryAfterMs !== undefined) metadata.set(PUSHBACK, String(Math.ceil(error.retryAfterMs)));
  // The message may quote anything, and the library cannot send half of an emoji.
  return { code: STATUS[error.code], details: error.message.toWellFormed(), metadata };
}
