/**
 * All errors that cross a boundary. A `CascadeError` is an answer to a request; a `ConfigError` is for the person at the terminal (exit
 * code 2). Anything else that is thrown is a defect.
 */

/** Error codes on the wire: the vocabulary of gRPC and NATS services, with the HTTP-like numbers that NATS tools show. */
export const ERROR_NUMBERS = {
  INVALID_ARGUMENT: 400,
  NOT_FOUND: 404,
  DEADLINE_EXCEEDED: 408,
  RESOURCE_EXHAUSTED: 429,
  INTERNAL: 500,
  UNAVAILABLE: 503,
} as const;

export type ErrorCode = keyof typeof ERROR_NUMBERS;

/** Why a request has no result; `message` says what was wrong and what was expected. */
export class CascadeError extends Error {
  override readonly name = 'CascadeError';
  readonly code: ErrorCode;
  /** With RESOURCE_EXHAUSTED: when to retry, as far as the server can tell. */
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, retryAfterMs?: number) {
    super(message);
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * A request that is invalid as it is written. It has no stack trace: that would cost four times as much as the rest of the refusal, and
 * anyone may send thousands of invalid requests.
 */
export function invalid(message: string): CascadeError {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  const error = new CascadeError('INVALID_ARGUMENT', message);
  Error.stackTraceLimit = stackTraceLimit;
  return error;
}

/**
 * A message from another actor that does not match its channel. `reason` is one of a few phrases, for counting; the message has the
 * details.
 */
export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage';
  readonly reason: string;

  constructor(kind: string, what: string, detail?: string) {
    super(`${kind} message: ${what}${detail === undefined ? '' : ` (${detail})`}`);
    this.reason = `${kind}: ${what}`;
  }
}

/** Wrong usage or configuration. The message names file, field and value, and says what was expected. */
export class ConfigError extends Error {
  override readonly name: string = 'ConfigError';
}

/** NATS does not accept the user, or the credentials. */
export class CredentialsRejected extends ConfigError {
  override readonly name = 'CredentialsRejected';
}

/** An actor died too often, and restarting it within its role did not help: the role's supervisor must decide. */
export class ActorGivenUp extends Error {
  override readonly name = 'ActorGivenUp';
}

/** Another process runs the device too, and this one has to yield. */
export class DeviceTakenError extends ConfigError {
  override readonly name = 'DeviceTakenError';
}

/** Files of weights that are named by their digests cannot be had on this host. */
export class WeightsMissingError extends ConfigError {
  override readonly name = 'WeightsMissingError';
}

/**
 * Processes all items, so that one mistake does not hide the next.
 * @throws ConfigError with the messages of all items that threw one.
 */
export function forAll<T, R>(items: readonly T[], act: (item: T, index: number) => R): R[] {
  const messages: string[] = [];
  const results: R[] = [];
  for (const [index, item] of items.entries()) {
    try {
      results.push(act(item, index));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      messages.push(error.message);
    }
  }
  if (messages.length > 0) throw new ConfigError([...new Set(messages)].join('\n'));
  return results;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Ends the switch over a discriminated union, so that a missing case does not compile. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value ${JSON.stringify(value)}`);
}
