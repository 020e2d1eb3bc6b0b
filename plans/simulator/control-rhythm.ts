import { LOAD_INTERVAL_MS } from '../policy/gear-choice.ts';

/** In `ControlRhythm.who`: the frontend reports its arrivals, and then the gear is chosen. */
export const FRONTEND = -1;

/**
 * Who reports to the gear-controller next: in every interval, each device sends its queue lengths in a heartbeat, and at the end the
 * frontend sends its arrivals. So the controller's knowledge of a queue is up to one interval old.
 */
export class ControlRhythm {
  readonly #devices: Int32Array;
  readonly #phasesMs: Float64Array;
  #at = 0;
  #intervalStartMs = 0;

  /** When the next report is due; Infinity when there is none. */
  nextMs = Number.POSITIVE_INFINITY;
  /** The device that reports, or FRONTEND. */
  who = FRONTEND;

  /**
   * @param phasesMs per device: when in each interval its heartbeat comes, above 0; one at the very end still precedes the frontend's
   *   report.
   */
  constructor(phasesMs: readonly number[]) {
    this.#devices = Int32Array.from(phasesMs, (_, device) => device).sort((a, b) => phasesMs[a] - phasesMs[b] || a - b);
    this.#phasesMs = Float64Array.from(this.#devices, (device) => phasesMs[device]);
  }

  start(): void {
    this.#at = -1;
    this.#intervalStartMs = 0;
    this.advance();
  }

  advance(): void {
    if (this.#at++ === this.#devices.length) {
      this.#at = 0;
      this.#intervalStartMs += LOAD_INTERVAL_MS;
    }
    const last = this.#at === this.#devices.length;
    this.who = last ? FRONTEND : this.#devices[this.#at];
    this.nextMs = this.#intervalStartMs + (last ? LOAD_INTERVAL_MS : this.#phasesMs[this.#at]);
  }
}

/** Devices start at arbitrary times, so on average a heartbeat is half an interval old. */
export function evenPhases(devices: number): number[] {
  return Array.from({ length: devices }, (_, d) => ((d + 0.5) * LOAD_INTERVAL_MS) / devices);
}
