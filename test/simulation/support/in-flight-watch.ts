/** Most sends of one request by one frontend, as the frontend has it. */
const MAX_ATTEMPTS = 4;

/** What each frontend must have in flight, by what it says and hears: bounded while it runs, and empty in the end. */
export class InFlightWatch {
  readonly #maxInFlight: number;
  readonly #violated: (what: string) => void;
  /** By name of a frontend, then by its number for the request. */
  readonly #inFlight = new Map<string, Map<number, { readonly id: string; sends: number }>>();
  /** By name of a frontend: numbers that are in flight no more. What was to be sent again meanwhile is sent all the same. */
  readonly #ended = new Map<string, Set<number>>();
  /** By process: the name of the frontend in it. */
  readonly #frontendIn = new Map<string, string>();

  constructor(maxInFlight: number, violated: (what: string) => void) {
    this.#maxInFlight = maxInFlight;
    this.#violated = violated;
  }

  /** The process, or the actor in it, is a new one: what the one before had in flight is gone with it. */
  started(process: string): void {
    this.#inFlight.delete(this.#frontendIn.get(process) ?? '');
  }

  sent(process: string, frontend: string, numbers: readonly number[], ids: readonly string[]): void {
    this.#frontendIn.set(process, frontend);
    const inFlight = this.#inFlight.get(frontend) ?? new Map<number, { id: string; sends: number }>();
    this.#inFlight.set(frontend, inFlight);
    numbers.forEach((number, i) => {
      if (this.#ended.get(frontend)?.has(number)) return;
      const entry = inFlight.get(number) ?? { id: ids[i], sends: 0 };
      inFlight.set(number, entry);
      if (entry.id !== ids[i]) this.#violated(`${frontend} has used number ${number} for ${entry.id} and for ${ids[i]}`);
      if (++entry.sends > MAX_ATTEMPTS) this.#violated(`${frontend} has sent ${entry.id} ${entry.sends} times`);
    });
    if (inFlight.size > this.#maxInFlight) this.#violated(`${frontend} has ${inFlight.size} requests in flight`);
  }

  /** A note about finished requests has come to the process. */
  finished(process: string, numbers: readonly number[]): void {
    for (const number of numbers) this.#end(process, number);
  }

  /** The process has refused a request itself: of several copies, the oldest. */
  refused(process: string, id: string): void {
    for (const [number, entry] of this.#inFlight.get(this.#frontendIn.get(process) ?? '') ?? []) {
      if (entry.id !== id) continue;
      this.#end(process, number);
      return;
    }
  }

  #end(process: string, number: number): void {
    const frontend = this.#frontendIn.get(process);
    if (frontend === undefined || !this.#inFlight.get(frontend)?.delete(number)) return;
    const ended = this.#ended.get(frontend) ?? new Set<number>();
    this.#ended.set(frontend, ended);
    ended.add(number);
  }

  atEnd(): void {
    for (const [frontend, inFlight] of this.#inFlight) {
      if (inFlight.size > 0)
        this.#violated(`${frontend} still has ${[...inFlight.values()].map(({ id }) => id).join(', ')} in flight`);
    }
  }
}
