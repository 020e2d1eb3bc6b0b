/** Clients that are told apart at a time; further ones count as one. */
export const MAX_CLIENTS = 1_024;
const EVERYBODY_ELSE = -1;

/** Requests in flight by client, for as long as a client has any. Clients are numbers. */
export class ClientCounts {
  readonly #counts = new Map<number, number>();

  /** The number to count a client under. */
  keyOf(client: number): number {
    return this.#counts.size < MAX_CLIENTS || this.#counts.has(client) ? client : EVERYBODY_ELSE;
  }

  of(client: number): number {
    return this.#counts.get(client) ?? 0;
  }

  add(client: number): void {
    this.#counts.set(client, this.of(client) + 1);
  }

  remove(client: number): void {
    const left = this.of(client) - 1;
    if (left > 0) this.#counts.set(client, left);
    else this.#counts.delete(client);
  }

  /**
   * Where clients are served in turn: how many requests are served before the next one of this client. It has its own before it, and
   * as many of each other client, as far as they have them.
   */
  ahead(client: number): number {
    const own = this.of(client);
    let ahead = own;
    for (const [other, count] of this.#counts) if (other !== client) ahead += Math.min(count, own + 1);
    return ahead;
  }
}
