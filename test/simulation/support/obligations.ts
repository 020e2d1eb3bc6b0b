import { DEADLINE_GRACE_MS } from '../../../plans/policy/deadline.ts';

/** How often a frontend looks for late requests. */
const SWEEP_INTERVAL_MS = 100;

/** Whether a client has cancelled the requests with this reply subject: they may be answered or dropped in silence. */
export type IsGivenUp = (reply: string, id: string) => boolean;

interface Obligation {
  readonly process: string;
  readonly reply: string;
  readonly id: string;
  dueAt: number;
}

/**
 * A request that has reached a frontend is answered, by anyone, within its deadline and the frontend's grace, unless something
 * happens to that frontend: clients that send once and then listen depend on it. A frontend that is cut off answers when it is back.
 */
export class Obligations {
  readonly #now: () => number;
  readonly #violated: (what: string) => void;
  readonly #isGivenUp: IsGivenUp;
  /** By reply subject and id: several copies of a message share an answer. */
  readonly #open = new Map<string, Obligation[]>();

  constructor(now: () => number, violated: (what: string) => void, isGivenUp: IsGivenUp) {
    this.#isGivenUp = isGivenUp;
    this.#now = now;
    this.#violated = violated;
  }

  taken(process: string, reply: string, id: string, deadlineMs: number): void {
    const key = `${reply} ${id}`;
    const obligation = { process, reply, id, dueAt: this.#now() + deadlineMs + DEADLINE_GRACE_MS + SWEEP_INTERVAL_MS };
    const known = this.#open.get(key);
    if (known === undefined) this.#open.set(key, [obligation]);
    else known.push(obligation);
  }

  /** @param saidAt when the answer was sent; it is now known not to be lost with a device. */
  answered(reply: string, id: string, saidAt: number): void {
    const key = `${reply} ${id}`;
    for (const { process, dueAt } of this.#open.get(key) ?? []) {
      // A paused device may have missed the cancellation.
      if (saidAt > dueAt && !this.#isGivenUp(reply, id))
        this.#violated(`${id} was answered ${saidAt - dueAt} ms after ${process} should have`);
    }
    this.#open.delete(key);
  }

  /** Messages from and to the process are lost with its connection: it has until the end to answer. */
  cutOff(process: string): void {
    for (const obligations of this.#open.values())
      for (const obligation of obligations) if (obligation.process === process) obligation.dueAt = Number.POSITIVE_INFINITY;
  }

  /** Something happens to the process: its clients must send again. */
  disturbed(process: string): void {
    for (const [key, obligations] of this.#open) {
      const left = obligations.filter((obligation) => obligation.process !== process);
      if (left.length === 0) this.#open.delete(key);
      else this.#open.set(key, left);
    }
  }

  atEnd(): void {
    for (const { process, reply, id } of [...this.#open.values()].flat())
      if (!this.#isGivenUp(reply, id)) this.#violated(`${id} has reached ${process}, and nobody has answered it`);
  }
}
