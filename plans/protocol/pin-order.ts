import { z } from 'zod';
import { invalid, messageOf } from '../../engine/errors.ts';

/** A longer time is surely a mistake; without `forMs`, the pin lasts until an operator releases it. */
const LONGEST_MS = 30 * 24 * 3_600_000;

const pinOrder = z.strictObject({
  /** Index of a gear in `cascade status`; null: the load chooses again. */
  gear: z.int().nonnegative().nullable(),
  /** How long; absent: until it is taken back. */
  forMs: z.number().positive().max(LONGEST_MS).optional(),
});
/** What an operator orders on `.control.pin`. */
export type PinOrder = Readonly<z.infer<typeof pinOrder>>;

/** The answer to it. */
export type PinVerdict =
  | { readonly accepted: true; readonly gear: number | null /** Milliseconds since 1970. */; readonly until: number | null }
  | { readonly accepted: false; readonly reason: string };

const RIGHT = 'send {"gear": 2}, {"gear": 2, "forMs": 60000}, or {"gear": null}';

/** @throws CascadeError INVALID_ARGUMENT that says what would be right. */
export function parsePinOrder(data: Uint8Array): PinOrder {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(data).toString());
  } catch (error) {
    throw invalid(`not JSON (${messageOf(error).slice(0, 100)}); ${RIGHT}`);
  }
  const parsed = pinOrder.safeParse(value);
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues;
  throw invalid(`${path.length === 0 ? 'the order' : path.join('.')}: ${message}; ${RIGHT}`);
}

/** For people: when a pin ends. */
export function describeEnd(until: number | null): string {
  return until === null ? 'until it is released' : `until ${new Date(until).toISOString().slice(0, 19)}Z`;
}
