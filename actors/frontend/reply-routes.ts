import { REPLY_TO_ANOTHER_ACCOUNT } from '../../plans/protocol/client-of.ts';

/** An answer that a device sends through another server of a cluster may still be in transit when we learn that it was sent. */
const LINGER_MS = 1_000;

/**
 * Reply routes to clients in other NATS accounts (see conf/nats/roles.conf). A message may have many answers, so the server keeps each
 * route open until an empty message is sent along it, or for minutes: at thousands of messages a second, that would be gigabytes.
 */
export class ReplyRoutes {
  /** Reply subject -> number of answers still to come. */
  readonly #open = new Map<string, number>();
  /** In order of time. */
  readonly #done: { readonly reply: string; readonly closeAt: number }[] = [];

  /** An answer will be sent to this reply subject. */
  taken(reply: string): void {
    if (reply.startsWith(REPLY_TO_ANOTHER_ACCOUNT)) this.#open.set(reply, (this.#open.get(reply) ?? 0) + 1);
  }

  /** It has been answered, or will be in this event-loop turn. */
  ended(reply: string, now: number): void {
    if (!reply.startsWith(REPLY_TO_ANOTHER_ACCOUNT)) return;
    const left = this.#open.get(reply);
    if (left === undefined) return;
    if (left > 1) {
      this.#open.set(reply, left - 1);
      return;
    }
    this.#open.delete(reply);
    this.#done.push({ reply, closeAt: now + LINGER_MS });
  }

  /** No answer will be sent to it. */
  unused(reply: string, now: number): void {
    this.taken(reply);
    this.ended(reply, now);
  }

  /** Reply subjects that can be closed now; each is returned once. */
  closable(now: number): string[] {
    const until = this.#done.findIndex(({ closeAt }) => closeAt > now);
    return this.#done.splice(0, until === -1 ? this.#done.length : until).map(({ reply }) => reply);
  }
}
