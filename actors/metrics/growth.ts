/** Totals of what roles count since their start: a role that is started again begins at zero, the total does not. */
export class Growth {
  readonly #before = new Map<string, Readonly<Record<string, number>>>();
  readonly #totals = new Map<string, number>();

  /** Key -> total. */
  get totals(): ReadonlyMap<string, number> {
    return this.#totals;
  }

  /** @param source whose counts these are, by key. */
  observe(source: string, counts: Readonly<Record<string, number>>): void {
    const before = this.#before.get(source);
    for (const [key, count] of Object.entries(counts)) {
      const known = before !== undefined && Object.hasOwn(before, key) ? before[key] : 0;
      this.#totals.set(key, (this.#totals.get(key) ?? 0) + (count >= known ? count - known : count));
    }
    this.#before.set(source, counts);
  }

  /** It has gone, and its name does not come back. */
  forget(source: string): void {
    this.#before.delete(source);
  }
}
