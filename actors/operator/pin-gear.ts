import type { Bus } from '../../engine/bus/bus.ts';
import { CascadeError } from '../../engine/errors.ts';
import { printableLines } from '../../engine/printable.ts';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';
import { describeEnd, type PinOrder, type PinVerdict } from '../../plans/protocol/pin-order.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { readReply } from './read-reply.ts';

const TIMEOUT_MS = 5_000;

/**
 * Asks the controller to pin a gear, or to let the load choose again.
 * @throws CascadeError UNAVAILABLE when nobody serves the deployment; DEADLINE_EXCEEDED when the leading controller does not answer.
 */
export async function pinGear(
  bus: Bus,
  { name, prefix }: Pick<Deployment, 'name' | 'prefix'>,
  order: PinOrder,
): Promise<PinVerdict> {
  const { pin } = subjectsOf(name, prefix);
  try {
    const { data } = await bus.request(pin, Buffer.from(JSON.stringify(order)), { timeoutMs: TIMEOUT_MS });
    return readReply<PinVerdict>(data, printableLines);
  } catch (error) {
    if (!(error instanceof CascadeError)) throw error;
    const what =
      error.code === 'UNAVAILABLE'
        ? `no controller leads ${name} (${error.message}); start one with \`cascade serve\``
        : `no verdict (${error.message}); \`cascade status\` shows whether the gear is pinned`;
    throw new CascadeError(error.code, what);
  }
}

/** Says for people what is now in force. */
export function describePin({ gear, until }: Extract<PinVerdict, { accepted: true }>): string {
  return gear === null ? 'the load chooses the gear' : `gear ${gear} is pinned ${describeEnd(until)}`;
}
