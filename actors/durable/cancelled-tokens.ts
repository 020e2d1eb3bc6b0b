import type { Cancellation } from '../../plans/protocol/control-messages.ts';

/** Tokens that are remembered, the newest: their requests may wait in the store for long. */
const REMEMBERED = 10_000;

/**
 * Stored requests that their clients have given up, by token. A frontend that is started later does not know of them: what they asked
 * for is then computed, and answered to nobody.
 */
export class CancelledTokens {
  readonly #tokens = new Set<string>();

  /** False for a cancellation of some ids, which is of plain requests: a stored one has its token for itself. */
  note({ token, ids }: Cancellation): boolean {
    if (ids !== null) return false;
    this.#tokens.delete(token);
    this.#tokens.add(token);
    if (this.#tokens.size > REMEMBERED) {
      const [oldest] = this.#tokens;
      this.#tokens.delete(oldest);
    }
    return true;
  }

  has(token: string): boolean {
    return this.#tokens.has(token);
  }
}
