import { ClientCounts } from './client-counts.ts';

/** Bound on the requests of one frontend, beyond which the answer is RESOURCE_EXHAUSTED: seconds of the highest load we plan for. */
export const MAX_IN_FLIGHT = 50_000;
/**
 * Frontends need not know at once what has ended: one note for some batches keeps them, and the server, from being woken by
 * every one of them while the next requests are on their way.
 */
export const DONE_DELAY_MS = 5;
/**
 * What is known is of the requests that ended in the last one to two such times, however few: what was before may be of another
 * gear, or of a hang that is over. Short, because what ends now was taken when less was in flight: the begin of an overload
 * shows late as it is.
 */
const WINDOW_MS = 250;
/** Share of its deadline that a request may be expected to wait: the rest is margin, for batches and stages that take longer. */
const USABLE = 0.8;
/**
 * A wait longer than this many times what requests took of late, or than what devices say is queued, is not believed yet: a burst
 * after a time of little load finds many in flight and few that ended, though the devices could do far more, in larger batches.
 */
const BELIEVED = 4;
const RETRY_MIN_MS = 10;
/** Later, everything may be different. */
const RETRY_MAX_MS = 5_000;

/** Of requests that ended: how long each took, and how many were completed meanwhile, itself among them. Sums over them. */
interface Evidence {
  tookMs: number;
  completed: number;
  /** Of the products: the time that a request took which saw many completed. */
  tookMsByCompleted: number;
}

/**
 * Whether a frontend may take one more request, by the wait that it has to expect: the requests that this frontend has
 * in flight, over those that are completed per time. Frontends share the devices in the same proportion in both, so that none
 * needs to know of the others. Completions are counted over the life of each request, not over time: so idle time says nothing
 * about the speed, and requests that found a queue, and saw the devices at work, count for more. Without evidence nothing is
 * refused.
 */
export class Admission {
  readonly #clients = new ClientCounts();
  #inFlight = 0;
  #completed = 0;
  #before = nothing();
  #recent = nothing();
  #recentSince = 0;
  #endedAt = 0;
  readonly #backlogMs: () => number;

  /** @param backlogMs computing time of what waits on the device that has most, as the devices said last. */
  constructor(backlogMs: () => number) {
    this.#backlogMs = backlogMs;
  }

  /** The number under which a client counts here. */
  clientOf(client: number): number {
    return this.#clients.keyOf(client);
  }

  /** A request was taken. Returns a ticket that `ended` wants back. */
  started(now: number, client = 0): number {
    // As long as something is in flight, and be it in a hang, the last evidence is the best there is.
    if (this.#inFlight === 0 && now - this.#endedAt > WINDOW_MS) {
      this.#before = nothing();
      this.#recent = nothing();
    }
    this.#inFlight++;
    this.#clients.add(client);
    return this.#completed;
  }

  /**
   * A request that was taken has ended, however it did.
   * @param ticket what `started` returned.
   * @param tookMs since it was taken.
   * @param completed false when it was given up without an inference: that is no evidence of speed, but of a long wait.
   */
  ended(ticket: number, tookMs: number, completed: boolean, now: number, client = 0): void {
    if (now - this.#recentSince >= WINDOW_MS) {
      this.#before = this.#recent;
      this.#recent = nothing();
      this.#recentSince = now;
    }
    this.#endedAt = now;
    this.#inFlight--;
    this.#clients.remove(client);
    const meanwhile = this.#completed - ticket + 1;
    if (completed) this.#completed++;
    this.#recent.tookMs += tookMs;
    this.#recent.completed += meanwhile;
    this.#recent.tookMsByCompleted += tookMs * meanwhile;
  }

  /** Time that the requests in flight still take; 0 as long as nothing is known. */
  expectedWaitMs(): number {
    const completed = this.#before.completed + this.#recent.completed;
    if (completed === 0) return 0;
    const tookMs = this.#before.tookMs + this.#recent.tookMs;
    const ofLateMs = (this.#before.tookMsByCompleted + this.#recent.tookMsByCompleted) / completed;
    const waitMs = (this.#inFlight * tookMs) / completed;
    return waitMs <= BELIEVED * ofLateMs ? waitMs : Math.min(waitMs, BELIEVED * Math.max(ofLateMs, this.#backlogMs()));
  }

  /**
   * Undefined when a request with this deadline may be taken; else the time after which half of what its deadline allows is
   * expected to be before it, when nothing more is taken: a good time to ask again. Devices serve clients in turn, so that a client
   * waits for its own requests, and for as many of each other one.
   */
  retryAfterMs(deadlineMs: number, client = 0): number | undefined {
    const allMs = this.expectedWaitMs();
    const usableMs = USABLE * deadlineMs;
    if (allMs <= usableMs) return undefined;
    const ahead = this.#clients.ahead(client);
    const waitMs = ahead === this.#inFlight ? allMs : (allMs * ahead) / this.#inFlight;
    return waitMs <= usableMs ? undefined : this.#retry(waitMs - usableMs / 2);
  }

  /** Whether a client may have one more request where a bound is used up to a share. */
  mayFill(fill: number, client = 0): boolean {
    return mayFill(fill, this.#clients.of(client), this.#inFlight);
  }

  /** The same for a request that a bound other than time keeps out: when half of what is in flight should have ended. */
  roomAfterMs(): number {
    return this.#retry(this.expectedWaitMs() / 2);
  }

  #retry(ms: number): number {
    return Math.ceil(Math.min(RETRY_MAX_MS, Math.max(RETRY_MIN_MS, ms)));
  }
}

/** Share of a bound that a client may use when no other is there: whoever comes next finds room. */
const ALONE = 0.95;

/**
 * Whether a client may put one more request where there is a bound: alone, nearly up to the bound; beside others, no more than is left
 * free, so that there is always room for those who have little (cf. Choudhury and Hahne's dynamic thresholds for shared buffers).
 * @param fill used share of the bound.
 * @param own requests of this client among `all` that are there.
 */
export function mayFill(fill: number, own: number, all: number): boolean {
  return own === all ? fill < ALONE : fill + (fill * own) / all < 1;
}

function nothing(): Evidence {
  return { tookMs: 0, completed: 0, tookMsByCompleted: 0 };
}
