import { ClientCounts } from './client-counts.ts';

/** Bound on the requests of one frontend, beyond which the answer is RESOURCE_EXHAUSTED: seconds of the highest load we plan for. */
export const MAX_IN_FLIGHT = 50_000;
/**
 * How long frontends may go without hearing which requests have ended. One note for several batches avoids waking them, and the
 * server, once per batch.
 */
export const DONE_DELAY_MS = 5;
/**
 * Only requests that ended in the last one to two windows count: older ones may belong to another gear, or to a hang that is over.
 * The window is short because the requests that end now were accepted when fewer were in flight, so overload shows late anyway.
 */
const WINDOW_MS = 250;
/** Share of its deadline that a request may be expected to wait. The rest is margin for slower batches and later stages. */
const USABLE = 0.8;
/**
 * Do not believe an expected wait longer than this many times what recent requests took, or what devices report as queued. After a
 * quiet period, a burst puts many requests in flight while few have ended, although the devices could do far more in larger batches.
 */
const BELIEVED = 4;
const RETRY_MIN_MS = 10;
/** By then everything may have changed. */
const RETRY_MAX_MS = 5_000;

/** About requests that ended: how long they took, and how many requests completed meanwhile, including themselves. Sums. */
interface Evidence {
  tookMs: number;
  completed: number;
  /** Sum of time * completed. */
  tookMsByCompleted: number;
}

/**
 * Decides whether a frontend may accept one more request, by the wait it would face: requests in flight at this frontend divided by
 * its completion rate. Frontends share the devices in the same proportion for both, so none needs to know about the others. We
 * count completions over the lifetime of each request rather than over time, so idle time says nothing about speed, and requests
 * that found a queue and saw the devices busy weigh more. Without evidence, nothing is refused.
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

  /** @param backlogMs computing time of the work queued on the fullest device, as last reported. */
  constructor(backlogMs: () => number) {
    this.#backlogMs = backlogMs;
  }

  /** The number this client is counted under. */
  clientOf(client: number): number {
    return this.#clients.keyOf(client);
  }

  /** Records an accepted request. Returns a ticket for `ended`. */
  started(now: number, client = 0): number {
    // While something is in flight, even in a hang, the last evidence is the best there is.
    if (this.#inFlight === 0 && now - this.#endedAt > WINDOW_MS) {
      this.#before = nothing();
      this.#recent = nothing();
    }
    this.#inFlight++;
    this.#clients.add(client);
    return this.#completed;
  }

  /**
   * Records that an accepted request has ended, in whatever way.
   * @param ticket what `started` returned.
   * @param tookMs time since it was accepted.
   * @param completed false when it was abandoned without an inference: evidence of a long wait, but not of speed.
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

  /** How long the requests in flight will still take; 0 while nothing is known. */
  expectedWaitMs(): number {
    const completed = this.#before.completed + this.#recent.completed;
    if (completed === 0) return 0;
    const tookMs = this.#before.tookMs + this.#recent.tookMs;
    const ofLateMs = (this.#before.tookMsByCompleted + this.#recent.tookMsByCompleted) / completed;
    const waitMs = (this.#inFlight * tookMs) / completed;
    return waitMs <= BELIEVED * ofLateMs ? waitMs : Math.min(waitMs, BELIEVED * Math.max(ofLateMs, this.#backlogMs()));
  }

  /**
   * Undefined when a request with this deadline may be accepted. Otherwise the time until the expected wait falls to half of what the
   * deadline allows, if nothing more is accepted: a good time to retry. Devices serve clients in turn, so a client waits for its own
   * requests and for as many from each other client.
   */
  retryAfterMs(deadlineMs: number, client = 0): number | undefined {
    const allMs = this.expectedWaitMs();
    const usableMs = USABLE * deadlineMs;
    if (allMs <= usableMs) return undefined;
    const ahead = this.#clients.ahead(client);
    const waitMs = ahead === this.#inFlight ? allMs : (allMs * ahead) / this.#inFlight;
    return waitMs <= usableMs ? undefined : this.#retry(waitMs - usableMs / 2);
  }

  /** Whether a client may add one more request to a bound that is filled to the share `fill`. */
  mayFill(fill: number, client = 0): boolean {
    return mayFill(fill, this.#clients.of(client), this.#inFlight);
  }

  /** When to retry a request refused by a bound other than time: once half of what is in flight should have ended. */
  roomAfterMs(): number {
    return this.#retry(this.expectedWaitMs() / 2);
  }

  #retry(ms: number): number {
    return Math.ceil(Math.min(RETRY_MAX_MS, Math.max(RETRY_MIN_MS, ms)));
  }
}

/** Share of a bound that a client may use when it is the only one, so that a newcomer finds room. */
const ALONE = 0.95;

/**
 * Whether a client may add one more request to a bounded resource. Alone, it may nearly fill it; otherwise it may have no more than
 * what is still free, so that clients with few requests always find room (cf. Choudhury and Hahne's dynamic thresholds for shared
 * buffers).
 * @param fill used share of the bound.
 * @param own requests of this client, out of `all`.
 */
export function mayFill(fill: number, own: number, all: number): boolean {
  return own === all ? fill < ALONE : fill + (fill * own) / all < 1;
}

function nothing(): Evidence {
  return { tookMs: 0, completed: 0, tookMsByCompleted: 0 };
}
