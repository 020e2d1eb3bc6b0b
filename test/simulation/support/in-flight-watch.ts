import type { IsGivenUp } from './obligations.ts';

/** A request that a frontend forwards, by the frontend's own number. */
export interface SentRequest {
  readonly number: number;
  readonly id: string;
  readonly reply: string;
}

/** What each frontend must have in flight, judging by its messages: bounded while it runs, and empty at the end. */
export class InFlightWatch {
  readonly #maxInFlight: number;
  readonly #now: () => number;
  readonly #violated: (what: string) => void;
  readonly #isGivenUp: IsGivenUp;
  /** By name of a frontend, then by its number for the request. */
  readonly #inFlight = new Map<string, Map<number, SentRequest>>();
  /** By name of a frontend: numbers no longer in flight. Requests already due to be sent again are still sent. */
  readonly #ended = new Map<string, Set<number>>();
  /** By process, id and reply subject: when it last refused such a request. */
  readonly #refusedAt = new Map<string, number>();
  /** By process: the name of its frontend. */
  readonly #frontendIn = new Map<string, string>();

  constructor(maxInFlight: number, now: () => number, violated: (what: string) => void, isGivenUp: IsGivenUp) {
    this.#isGivenUp = isGivenUp;
    this.#maxInFlight = maxInFlight;
    this.#now = now;
    this.#violated = violated;
  }

  /** The process, or its actor, is new: requests in flight in the previous one are gone. */
  started(process: string): void {
    this.#inFlight.delete(this.#frontendIn.get(process) ?? '');
  }

  sent(process: string, frontend: string, requests: readonly SentRequest[]): void {
    this.#frontendIn.set(process, frontend);
    const inFlight = this.#inFlight.get(frontend) ?? new Map<number, SentRequest>();
    this.#inFlight.set(frontend, inFlight);
    for (const request of requests) {
      const { number, id } = request;
      // Refused before its message left, in the same turn of the event loop.
      if (!inFlight.has(number) && this.#refusedAt.get(refusalKey(process, request)) === this.#now()) continue;
      if (this.#ended.get(frontend)?.has(number)) continue;
      const entry = inFlight.get(number) ?? request;
      inFlight.set(number, entry);
      if (entry.id !== id) this.#violated(`${frontend} has used number ${number} for ${entry.id} and for ${id}`);
    }
    const held = [...inFlight.values()].filter((request) => !this.#isGivenUp(request.reply, request.id)).length;
    if (held > this.#maxInFlight) this.#violated(`${frontend} has ${held} requests in flight`);
  }

  /** A note about finished requests has reached the process. */
  finished(process: string, numbers: readonly number[]): void {
    for (const number of numbers) this.#end(process, number);
  }

  /** The process has refused a request itself; among copies of one message it is unknown which. */
  refused(process: string, refusal: Omit<SentRequest, 'number'>): void {
    this.#refusedAt.set(refusalKey(process, refusal), this.#now());
    for (const { number, id, reply } of [...(this.#inFlight.get(this.#frontendIn.get(process) ?? '')?.values() ?? [])]) {
      if (id === refusal.id && reply === refusal.reply) this.#end(process, number);
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
      const left = [...inFlight.values()].filter((request) => !this.#isGivenUp(request.reply, request.id));
      if (left.length > 0) this.#violated(`${frontend} still has ${left.map(({ id }) => id).join(', ')} in flight`);
    }
  }
}

function refusalKey(process: string, { id, reply }: Omit<SentRequest, 'number'>): string {
  return `${process} ${reply} ${id}`;
}
