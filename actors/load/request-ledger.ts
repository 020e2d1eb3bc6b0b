import { RetryBudget } from '../client/retry.ts';

const PENDING = 0;
/** The client library has taken over. */
const HANDED_OVER = 1;
const ENDED = 2;
/** Ended without an answer: if one arrives after all, it is late, not a duplicate. */
const GIVEN_UP = 3;

/** An answer given at the deadline may take this long to arrive. */
const GRACE_MS = 250;

/** What to do about requests without an answer. */
export interface Overdue {
  /** Nothing arrived within the deadline. */
  readonly lost: readonly number[];
  /** Silent for longer than answers take: send again. */
  readonly again: readonly number[];
}

/** State of each request of a load, by index. Times count from the start of the load. */
export class RequestLedger {
  readonly #arrivalsMs: Float64Array;
  readonly #deadlineMs: number;
  readonly #state: Uint8Array;
  readonly #budget = new RetryBudget();
  /** All requests before it have ended or were handed over. */
  #oldest = 0;
  /** How many of the sent requests have contributed to the retry budget. */
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

  /** Answers to requests that already had one. */
  get duplicates(): number {
    return this.#duplicates;
  }

  /** Hands a request over to the client library. False when that has already happened, or the request has ended. */
  handOver(request: number): boolean {
    if (this.#state[request] !== PENDING) return false;
    this.#state[request] = HANDED_OVER;
    return true;
  }

  /** Records an answer. False when it is not the first. */
  answered(request: number): boolean {
    const before = this.#state[request];
    if (before === ENDED) this.#duplicates++;
    this.#state[request] = ENDED;
    if (before !== PENDING && before !== HANDED_OVER) return false;
    this.#ended++;
    return true;
  }

  /** Records a refusal. False when it changes nothing, because a retry is in flight or there was an answer. */
  refused(request: number): boolean {
    return this.#state[request] !== HANDED_OVER && this.answered(request);
  }

  /** Stops waiting for an answer. False when there was one. */
  giveUp(request: number): boolean {
    const before = this.#state[request];
    if (before !== PENDING && before !== HANDED_OVER) return false;
    this.#state[request] = GIVEN_UP;
    this.#ended++;
    return true;
  }

  /**
   * Requests among the first `sent` that need action now. Those to send again count as handed over, the lost ones as ended.
   * @param silenceMs how long a request may be silent before it is sent again; Infinity: for ever.
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

  /** When the oldest pending request among the first `sent` was due; undefined when none is pending. */
  oldestPendingMs(sent: number): number | undefined {
    while (this.#oldest < sent && this.#state[this.#oldest] !== PENDING) this.#oldest++;
    return this.#oldest < sent ? this.#arrivalsMs[this.#oldest] : undefined;
  }

  /** Pending requests among the first `sent`. */
  pending(sent: number): number[] {
    const found: number[] = [];
    for (let request = this.#oldest; request < sent; request++) if (this.#state[request] === PENDING) found.push(request);
    return found;
  }
}
