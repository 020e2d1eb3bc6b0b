/** Wrong requests of one client that a frontend reads in a second: about a tenth of its time. */
const PER_SECOND = 15_000;
/** What a client may have wrong at once: two frames, full of it. */
const BURST = 10_000;
/** Reading so many bytes takes as long as refusing a request. */
const BYTES_PER_REFUSAL = 256;
/** Clients of whom it is known; those that were wrong least recently are forgotten. */
const REMEMBERED = 1_024;

interface Debt {
  refusals: number;
  at: number;
}

/**
 * The work that each client may cause with what is wrong: one that sends thousands of wrong requests must not take the time that others
 * wait for. Whoever has used up the budget is not read until it is paid off.
 */
export class RefusalBudget {
  /** Least recently wrong first. */
  readonly #debts = new Map<number, Debt>();

  /** Notes that of `requests` in a message of a client, `wrong` were refused. */
  spend(client: number, wrong: number, requests: number, messageBytes: number, now: number): void {
    const refusals = this.#owed(client, now) + wrong + (messageBytes * wrong) / requests / BYTES_PER_REFUSAL;
    this.#debts.delete(client);
    this.#debts.set(client, { refusals, at: now });
    if (this.#debts.size > REMEMBERED) {
      const [oldest] = this.#debts.keys();
      this.#debts.delete(oldest);
    }
  }

  /** Undefined when the messages of a client are read; else the time after which they are again. */
  closedForMs(client: number, now: number): number | undefined {
    const over = this.#owed(client, now) - BURST;
    return over > 0 ? Math.ceil((over / PER_SECOND) * 1_000) : undefined;
  }

  #owed(client: number, now: number): number {
    const debt = this.#debts.get(client);
    return debt === undefined ? 0 : Math.max(0, debt.refusals - ((now - debt.at) * PER_SECOND) / 1_000);
  }
}
