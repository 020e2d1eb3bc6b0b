import { InvalidArgumentError } from 'commander';

/** The address of one of our HTTP servers. */
export interface HttpAddress {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

/** Without a host, only this machine can connect; exposing it must be explicit. */
const LOOPBACK = '127.0.0.1';

/**
 * Parses `[HOST:]PORT` from a command line; IPv6 addresses are in brackets.
 * @throws InvalidArgumentError, which commander shows with the option.
 */
export function httpAddress(text: string): HttpAddress {
  const match = /^(?:(\[[\da-fA-F:.]+\]|[^:[\]\s]+):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535)
    throw new InvalidArgumentError(
      'use PORT, HOST:PORT or [IPV6]:PORT with a port from 0 (any free port) to 65535, such as 9464.',
    );
  return { host: match[1]?.replace(/^\[|\]$/g, '') ?? LOOPBACK, port };
}

/** As written on a command line and in a URL. */
export function shownAddress({ host, port }: HttpAddress): string {
  return `${shownHost(host)}:${port}`;
}

/** IPv6 addresses get their brackets back. */
export function shownHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
