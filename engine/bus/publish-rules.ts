import { invalid } from '../errors.ts';
import type { BusMessage } from './bus.ts';

/** White space ends a token of the NATS protocol, so a subject containing some could smuggle in a command. */
const WHITE_SPACE = /\s/;

/**
 * What every bus refuses to publish, with the same messages.
 * @param bytes size of body and encoded headers together, which is what the server limits.
 * @throws CascadeError INVALID_ARGUMENT
 */
export function checkPublish(subject: string, reply: string, bytes: number, maxPayloadBytes: number): void {
  if (subject === '' || WHITE_SPACE.test(subject) || WHITE_SPACE.test(reply)) {
    throw invalid(
      `cannot publish to ${JSON.stringify(subject)}${reply ? `, reply ${JSON.stringify(reply)}` : ''}: a subject must not be empty or contain white space`,
    );
  }
  if (bytes > maxPayloadBytes) {
    throw invalid(
      `a message of ${bytes} bytes to ${subject} exceeds the limit of ${maxPayloadBytes} bytes; send less at once, or raise max_payload of the NATS server`,
    );
  }
}

/** Header with the status line of a message, as in other NATS clients. */
export const STATUS_HEADER = 'Status';

/** True for the empty message that the bus sends to the reply subject when nobody listens. */
export function saysNobodyListens(message: BusMessage): boolean {
  return message.data.length === 0 && message.header(STATUS_HEADER) === '503';
}

/** @throws CascadeError INVALID_ARGUMENT if the headers cannot be read. */
export function checkHeaders({ headersProblem }: Pick<BusMessage, 'headersProblem'>): void {
  if (headersProblem === undefined) return;
  throw invalid(
    `headers: ${headersProblem}; use names of printable ASCII without spaces or colons, and values without line breaks`,
  );
}

/** Header names are case-insensitive. */
export function findHeader(headers: Readonly<Record<string, string>> | undefined, name: string): string | undefined {
  if (headers === undefined) return undefined;
  if (Object.hasOwn(headers, name)) return headers[name];
  const lower = name.toLowerCase();
  const key = Object.keys(headers).find((candidate) => candidate.toLowerCase() === lower);
  return key === undefined ? undefined : headers[key];
}
