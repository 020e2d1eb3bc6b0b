import { RetryBudget } from '../client/retry.ts';

const PENDING = 0;
/** The client library asks again. */
const HANDED_OVER = 1;
const ENDED = 2;
/** Ended without an answer: one that comes all the same is late, no duplicate. */
const GIVEN_UP = 3;

/** An answer at the deadline is still on its way for so long. */
const GRACE_MS = 250;

/** What to do about a request that nobody has answered for long. */
export interface Overdue {
  /** Nothing has come within the deadline. */
  readonly lost: readonly number[];
  /** It has been silent for longer than answers take: ask again. */
  readonly again: readonly number[];
}

/** What became of each request of a load, by its index. Times are from the begin of the load. */
export class RequestLedger {
  readonly #arrivalsMs: Float64Array;
  readonly #deadlineMs: number;
  readonly #state: Uint8Array;
  readonly #budget = new RetryBudget();
  /** All before it have ended or were handed over. */
  #oldest = 0;
  /** How many of the sent have paid into the budget. */
  #paid = 0;
  #ended = 0;
  #duplicates = 0;

  constructor(arrivalsMs: Float64Array, deadlineMs: number) {
    this.#arrivalsMs = arrivalsMs;
    this.#deadlineMs = deadlineMs;
    this.#state = new Uint8Array(arrivalsMs.length);
  }

  get ended(): number {
    return this.#ended;
  }

  /** Answers to requests that had theirs. */
  get duplicates(): number {
    return this.#duplicates;
  }

  /** The client library asks for this one from now on. False when that is so already, or it has ended. */
  handOver(request: number): boolean {
    if (this.#state[request] !== PENDING) return false;
    this.#state[request] = HANDED_OVER;
    return true;
  }

  /** An answer came. False when it is not the first. */
  answered(request: number): boolean {
    const before = this.#state[request];
    if (before === ENDED) this.#duplicates++;
    this.#state[request] = ENDED;
    if (before !== PENDING && before !== HANDED_OVER) return false;
    this.#ended++;
    return true;
  }

  /** A refusal came. False when it changes nothing: a repetition is on its way, or there was an answer. */
  refused(request: number): boolean {
    return this.#state[request] !== HANDED_OVER && this.answered(request);
  }

  /** No answer will be waited for any more. False when there was one. */
  giveUp(request: number): boolean {
    const before = this.#state[request];
    if (before !== PENDING && before !== HANDED_OVER) return false;
    this.#state[request] = GIVEN_UP;
    this.#ended++;
    return true;
  }

  /**
   * Requests of the first `sent` for which something must be done now. Those to ask again are handed over, the lost have ended.
   * @param silenceMs how long a request may be silent before it is asked again; Infinity: none is.
   */
  overdue(sent: number, nowMs: number, silenceMs: number): Overdue {
    const lost: number[] = [];
    const again: number[] = [];
    for (; this.#paid < sent; this.#paid++) this.#budget.onRequest();
    const lostSince = nowMs - this.#deadlineMs - GRACE_MS;
    const silentSince = nowMs - silenceMs;
    const since = Math.max(lostSince, silentSince);
    for (; this.#oldest < sent && this.#arrivalsMs[this.#oldest] <= since; this.#oldest++) {
      const request = this.#oldest;
      if (this.#state[request] !== PENDING) continue;
      if (this.#arrivalsMs[request] <= lostSince) {
        this.giveUp(request);
        lost.push(request);
      } else if (this.#budget.take()) {
        this.handOver(request);
        again.push(request);
      } else break;
    }
    return { lost, again };
  }

  /** When the oldest of the first `sent` that waits for its answer was due; undefined when none waits. */
  oldestPendingMs(sent: number): number | undefined {
    while (this.#oldest < sent && this.#state[this.#oldest] !== PENDING) this.#oldest++;
    return this.#oldest < sent ? this.#arrivalsMs[this.#oldest] : undefined;
  }

  /** Those of the first `sent` that wait for their answers. */
  pending(sent: number): number[] {
    const found: number[] = [];
    for (let request = this.#oldest; request < sent; request++) if (this.#state[request] === PENDING) found.push(request);
    return found;
  }
}
