import { DEADLINE_GRACE_MS } from '../../../plans/policy/deadline.ts';

/** A frontend looks for what is late so often. */
const SWEEP_INTERVAL_MS = 100;

interface Obligation {
  readonly process: string;
  readonly id: string;
  dueAt: number;
  met: boolean;
}

/**
 * A request that has reached a frontend is answered, by whomever, within its deadline and the frontend's grace, unless something
 * happens to that very frontend: whoever sends once and only listens depends on it. One that is cut off answers when it is back.
 */
export class Obligations {
  readonly #now: () => number;
  readonly #violated: (what: string) => void;
  /** By reply subject and id: several copies of a message share an answer. */
  readonly #open = new Map<string, Obligation[]>();

  constructor(now: () => number, violated: (what: string) => void) {
    this.#now = now;
    this.#violated = violated;
  }

  taken(process: string, reply: string, id: string, deadlineMs: number): void {
    const key = `${reply} ${id}`;
    const obligation = { process, id, dueAt: this.#now() + deadlineMs + DEADLINE_GRACE_MS + SWEEP_INTERVAL_MS, met: false };
    const known = this.#open.get(key);
    if (known === undefined) this.#open.set(key, [obligation]);
    else known.push(obligation);
  }

  /** @param saidAt when the answer was said that is known by now not to have been lost with a device. */
  answered(reply: string, id: string, saidAt: number): void {
    for (const obligation of this.#open.get(`${reply} ${id}`) ?? []) {
      if (!obligation.met && saidAt > obligation.dueAt)
        this.#violated(`${id} was answered ${saidAt - obligation.dueAt} ms after ${obligation.process} should have`);
      obligation.met = true;
    }
  }

  /** What the process has said, or would have heard, is lost with its connection: it has until the end. */
  cutOff(process: string): void {
    for (const obligation of [...this.#open.values()].flat())
      if (obligation.process === process) obligation.dueAt = Number.POSITIVE_INFINITY;
  }

  /** Something happens to the process: whoever asked it must ask again. */
  disturbed(process: string): void {
    for (const [key, obligations] of this.#open) {
      const left = obligations.filter((obligation) => obligation.process !== process && !obligation.met);
      if (left.length === 0) this.#open.delete(key);
      else this.#open.set(key, left);
    }
  }

  atEnd(): void {
    for (const { process, id, met } of [...this.#open.values()].flat()) {
      if (!met) this.#violated(`${id} has reached ${process}, and nobody has answered it`);
    }
  }
}
