import { InvalidArgumentError } from 'commander';

/** Where an HTTP server of ours listens. */
export interface HttpAddress {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

/** Without a host only this machine can connect: who wants others to see it says so. */
const LOOPBACK = '127.0.0.1';

/**
 * Reads `[HOST:]PORT` of a command line; an IPv6 address stands in brackets.
 * @throws InvalidArgumentError, which commander shows beside the option.
 */
export function httpAddress(text: string): HttpAddress {
  const match = /^(?:(\[[\da-fA-F:.]+\]|[^:[\]\s]+):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535)
    throw new InvalidArgumentError(
      'use PORT, HOST:PORT or [IPV6]:PORT with a port from 0 (any that is free) to 65535, such as 9464.',
    );
  return { host: match[1]?.replace(/^\[|\]$/g, '') ?? LOOPBACK, port };
}

/** As it is written on a command line and in a URL. */
export function shownAddress({ host, port }: HttpAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
