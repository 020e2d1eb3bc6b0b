/** What roles counted since we have been listening, over their restarts: a restarted role counts from zero again, but the total does not. */
export class Growth {
  readonly #before = new Map<string, Readonly<Record<string, number>>>();
  readonly #totals = new Map<string, number>();

  /** Key -> total. */
  get totals(): ReadonlyMap<string, number> {
    return this.#totals;
  }

  /**
   * @param source whose counts these are.
   * @param isOld whether the source, if it is heard for the first time, already counted before we were listening.
   */
  observe(source: string, counts: Readonly<Record<string, number>>, isOld: boolean): void {
    const before = this.#before.get(source) ?? (isOld ? counts : {});
    for (const [key, count] of Object.entries(counts)) {
      const known = Object.hasOwn(before, key) ? before[key] : 0;
      this.#totals.set(key, (this.#totals.get(key) ?? 0) + (count >= known ? count - known : count));
    }
    this.#before.set(source, counts);
  }

  /** The source is gone, and its name will not be used again. */
  forget(source: string): void {
    this.#before.delete(source);
  }
}
