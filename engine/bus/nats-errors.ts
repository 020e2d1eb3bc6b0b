import { CascadeError, ConfigError, CredentialsRejected, messageOf } from '../errors.ts';

/** The error code of the NATS client, or of Node below it. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return String(error.code);
}

/** A refusal by JetStream itself. */
export interface ApiError {
  readonly err_code: number;
  readonly description: string;
}

/** Undefined for an error that does not come from JetStream's API. */
export function apiErrorOf(error: unknown): ApiError | undefined {
  return (error as { api_error?: ApiError } | null)?.api_error;
}

/** Why the first connection failed, for the person who configured it. */
export function connectFailure(error: unknown, servers: readonly string[]): ConfigError {
  if (error instanceof ConfigError) return error;
  const where = servers.join(', ');
  const code = codeOf(error);
  switch (code) {
    case 'CONNECTION_REFUSED':
    case 'CONNECTION_TIMEOUT':
    case 'TIMEOUT':
      return new ConfigError(
        `no NATS server answers at ${where} (${code}); start one there (nats-server), or name another server`,
      );
    case 'AUTHORIZATION_VIOLATION':
    case 'BAD_AUTHENTICATION':
    case 'AUTHENTICATION_TIMEOUT':
    case 'BAD_CREDS':
      return new CredentialsRejected(
        `the NATS server at ${where} rejected our credentials (${code}); check user and password, token or credentials file`,
      );
    case 'SERVER_OPT_NA':
      return new ConfigError(
        `nats.tls requires an encrypted connection, but the NATS server at ${where} does not offer one; remove nats.tls, or add a tls block to the server's configuration`,
      );
    case 'TLS':
      return new ConfigError(`${where}: the TLS handshake with the NATS server failed (${messageOf(error)}); check nats.tls`);
    default:
      return new ConfigError(`cannot connect to NATS at ${where}: ${messageOf(error)}; check the address and the tls settings`);
  }
}

/** The error thrown by a request: see `Bus.request`. */
export function requestFailure(error: unknown, subject: string, timeoutMs: number): unknown {
  switch (codeOf(error)) {
    case undefined:
      return error;
    case '503':
      return new CascadeError('UNAVAILABLE', `nobody listens on ${subject}`);
    case 'TIMEOUT':
      return new CascadeError('DEADLINE_EXCEEDED', `no answer on ${subject} within ${timeoutMs} ms`);
    case 'MAX_PAYLOAD_EXCEEDED':
      return new CascadeError('INVALID_ARGUMENT', `the request to ${subject} with its headers exceeds the server's max_payload`);
    default:
      return refusal(error, `publish to ${subject}`);
  }
}

/** A refused subscription or publish. There is no error code for it, and a retry may succeed after a change of permissions. */
export function refusal(error: unknown, action: string): unknown {
  if (codeOf(error) === 'PERMISSIONS_VIOLATION') {
    return new CascadeError('UNAVAILABLE', notAllowed(action));
  }
  return unavailable(error);
}

function notAllowed(action: string): string {
  return `this user may not ${action}; grant it in the permissions of the NATS server, or connect as another user`;
}

export function unavailable(error: unknown): CascadeError {
  return error instanceof CascadeError ? error : new CascadeError('UNAVAILABLE', `NATS: ${messageOf(error)}`);
}
