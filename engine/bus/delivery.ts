import { nanos } from 'nats';

/**
 * JetStream's delivery metadata and acknowledgements (NATS ADR-1, ADR-15). The client library offers them only for messages of its own
 * subscriptions.
 */

/** What to publish to the reply subject of a delivered message. */
export const SETTLE = {
  done: () => Buffer.from('+ACK'),
  retry: (delayMs: number) => Buffer.from(delayMs > 0 ? `-NAK {"delay": ${nanos(delayMs)}}` : '-NAK'),
  abandon: () => Buffer.from('+TERM'),
  working: () => Buffer.from('+WPI'),
} as const;

/** Metadata of a delivered message, from its reply subject. Times are milliseconds since the Unix epoch. */
export interface Delivery {
  readonly stream: string;
  readonly deliveries: number;
  readonly sequence: number;
  readonly storedAt: number;
}

/**
 * `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<consumer sequence>.<nanoseconds>.<pending>`; newer servers put domain and
 * account before the stream. Undefined for anything else.
 */
export function parseDelivery(reply: string): Delivery | undefined {
  const tokens = reply.split('.');
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK' || tokens.length < 9) return undefined;
  const [stream, , deliveries, sequence, , storedAt] = tokens.slice(tokens.length === 9 ? 2 : 4);
  return {
    stream,
    deliveries: Number(deliveries),
    sequence: Number(sequence),
    // Nanoseconds exceed what a number can hold exactly.
    storedAt: Number(BigInt(storedAt) / 1_000_000n),
  };
}
