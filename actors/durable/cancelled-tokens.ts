import type { Cancellation } from '../../plans/protocol/control-messages.ts';

/** Number of tokens to remember, newest first kept, because their requests may wait in the store for a long time. */
const REMEMBERED = 10_000;

/**
 * Tokens of stored requests that their clients cancelled. A frontend that starts later does not know them: it computes these requests,
 * and nobody reads the answers.
 */
export class CancelledTokens {
  readonly #tokens = new Set<string>();

  /** False for a cancellation of individual ids, which concerns plain requests: a stored request does not share its token. */
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
