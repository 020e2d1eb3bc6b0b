/** Invalid requests per client that a frontend reads in a second: about a tenth of its time. */
const PER_SECOND = 15_000;
/** Invalid requests that a client may send at once: two full frames. */
const BURST = 10_000;
/** Reading this many bytes takes as long as refusing a request. */
const BYTES_PER_REFUSAL = 256;
/** Number of clients to remember; those whose last invalid request is the oldest are forgotten. */
const REMEMBERED = 1_024;

interface Debt {
  refusals: number;
  at: number;
}

/**
 * Bounds the work that each client may cause with invalid requests, so that a client sending thousands of them does not take time away
 * from others. When a client has used up its budget, its messages are not read until the debt is paid off. Stored requests do not count:
 * nobody knows whose they are, and the durable ingress sends no more than `inFlight` of them at once.
 */
export class RefusalBudget {
  /** The client whose last invalid request is the oldest comes first. */
  readonly #debts = new Map<number, Debt>();

  /** Records that `wrong` of the `requests` in a client's message were refused. */
  spend(client: number, wrong: number, requests: number, messageBytes: number, now: number): void {
    const refusals = this.#owed(client, now) + wrong + (messageBytes * wrong) / requests / BYTES_PER_REFUSAL;
    this.#debts.delete(client);
    this.#debts.set(client, { refusals, at: now });
    if (this.#debts.size > REMEMBERED) {
      const [oldest] = this.#debts.keys();
      this.#debts.delete(oldest);
    }
  }

  /** Undefined when a client's messages are read; otherwise the time until they are read again. */
  closedForMs(client: number, now: number): number | undefined {
    const over = this.#owed(client, now) - BURST;
    return over > 0 ? Math.ceil((over / PER_SECOND) * 1_000) : undefined;
  }

  #owed(client: number, now: number): number {
    const debt = this.#debts.get(client);
    return debt === undefined ? 0 : Math.max(0, debt.refusals - ((now - debt.at) * PER_SECOND) / 1_000);
  }
}
