import { invalid } from '../errors.ts';
import type { BusMessage } from './bus.ts';

/** White space ends a token of the NATS protocol: a subject that holds some could smuggle in a command of its own. */
const WHITE_SPACE = /\s/;

/**
 * What every bus refuses to publish, in the same words.
 * @param bytes of the body and the encoded headers together, which is what the server counts.
 * @throws CascadeError INVALID_ARGUMENT
 */
export function checkPublish(subject: string, reply: string, bytes: number, maxPayloadBytes: number): void {
  if (subject === '' || WHITE_SPACE.test(subject) || WHITE_SPACE.test(reply)) {
    throw invalid(
      `cannot publish to ${JSON.stringify(subject)}${reply ? `, reply ${JSON.stringify(reply)}` : ''}: a subject is not empty and has no white space`,
    );
  }
  if (bytes > maxPayloadBytes) {
    throw invalid(
      `a message of ${bytes} bytes to ${subject} is above the limit of ${maxPayloadBytes} bytes; send less at once, or raise max_payload of the NATS server`,
    );
  }
}

/** Header under which a bus shows the status line of a message, as other NATS clients do. */
export const STATUS_HEADER = 'Status';

/** True for the empty message that the bus itself sends to the reply subject of a message that nobody listens to. */
export function saysNobodyListens(message: BusMessage): boolean {
  return message.data.length === 0 && message.header(STATUS_HEADER) === '503';
}

/** Header names are the same in any case. */
export function findHeader(headers: Readonly<Record<string, string>> | undefined, name: string): string | undefined {
  if (headers === undefined) return undefined;
  if (Object.hasOwn(headers, name)) return headers[name];
  const lower = name.toLowerCase();
  const key = Object.keys(headers).find((candidate) => candidate.toLowerCase() === lower);
  return key === undefined ? undefined : headers[key];
}
