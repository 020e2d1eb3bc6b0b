/** NATS gives a request from another account such a reply subject, and translates it back. */
const OF_ANOTHER_ACCOUNT = '_R_.';
/** An answer that a device sends by another server of a cluster may still be on its way when we hear that it was sent. */
const LINGER_MS = 1_000;

/**
 * The ways back to clients of other NATS accounts (see conf/nats/roles.conf). As a message may have many answers, the server keeps
 * each way open until an empty message goes along it, or for minutes: at thousands of messages a second that would be gigabytes.
 */
export class WaysBack {
  /** Reply subject -> what still has to be answered on it. */
  readonly #open = new Map<string, number>();
  /** In the order of time. */
  readonly #done: { readonly reply: string; readonly closeAt: number }[] = [];

  /** Something is going to be answered on a reply subject. */
  taken(reply: string): void {
    if (reply.startsWith(OF_ANOTHER_ACCOUNT)) this.#open.set(reply, (this.#open.get(reply) ?? 0) + 1);
  }

  /** It has been answered, or is answered in this turn of the event loop. */
  ended(reply: string, now: number): void {
    if (!reply.startsWith(OF_ANOTHER_ACCOUNT)) return;
    const left = this.#open.get(reply);
    if (left === undefined) return;
    if (left > 1) {
      this.#open.set(reply, left - 1);
      return;
    }
    this.#open.delete(reply);
    this.#done.push({ reply, closeAt: now + LINGER_MS });
  }

  /** Nothing is going to be answered on it. */
  unused(reply: string, now: number): void {
    this.taken(reply);
    this.ended(reply, now);
  }

  /** Those that can be closed now; each is told once. */
  closable(now: number): string[] {
    const until = this.#done.findIndex(({ closeAt }) => closeAt > now);
    return this.#done.splice(0, until === -1 ? this.#done.length : until).map(({ reply }) => reply);
  }
}
