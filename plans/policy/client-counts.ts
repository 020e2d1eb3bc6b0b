/** Clients that are counted separately at a time; any further ones count as one. */
export const MAX_CLIENTS = 1_024;
const EVERYBODY_ELSE = -1;

/** Requests in flight per client. A client is forgotten when it has none left. Clients are numbers. */
export class ClientCounts {
  readonly #counts = new Map<number, number>();

  /** The number this client is counted under. */
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
   * How many requests are served before this client's next one when clients are served in turn: all of its own, and as many from each
   * other client, if they have that many.
   */
  ahead(client: number): number {
    const own = this.of(client);
    let ahead = own;
    for (const [other, count] of this.#counts) if (other !== client) ahead += Math.min(count, own + 1);
    return ahead;
  }
}
