import type { DeviceState } from '../protocol/control-messages.ts';
import type { SpeedReport } from '../protocol/events.ts';

/** A device is reported slow when its batches take this many times as long as profiled, and as normal below the second value. */
const BEGINS_ABOVE = 1.25;
const ENDS_BELOW = 1.12;
/** How long the condition must last. */
const BEGINS_AFTER_MS = 1_000;
const ENDS_AFTER_MS = 3_000;
/** Report a slow device again when its slowdown changes by more than this factor. */
const WORTH_TELLING = 4 / 3;
/** Time constant at which measurements fade. */
const SMOOTHING_MS = 400;
/** A device that computes for less than this share of the time says too little about its speed; it counts as profiled. */
const LEAST_BUSY_SHARE = 0.02;

/** The fields of a heartbeat that concern speed. */
export type SpeedSigns = Pick<DeviceState, 'slowdown' | 'starvedShare' | 'busyMs'>;

/**
 * Detects when a device becomes slow and when it is back to its profiled speed. Gears and shares follow the measured speed from batch
 * to batch; operators only hear about what lasts. An idle device says nothing about its speed, so its last report stands.
 */
export class SpeedWatch {
  #report: SpeedReport = { state: 'as-profiled', slowdown: 1, since: null, starvedShare: null };
  #told = 1;
  /** Since when the evidence supports a different report. */
  #otherwiseSince: number | undefined;
  #observedAt: number | undefined;
  #heardAt: number | undefined;
  #busyMs = 0;

  get report(): SpeedReport {
    return this.#report;
  }

  /** Processes a heartbeat. @returns the new report, if there is one. */
  observe({ slowdown, starvedShare, busyMs }: SpeedSigns, now: number): SpeedReport | undefined {
    const before = this.#heardAt;
    // A counter below its previous value means another process.
    const computedMs = busyMs - this.#busyMs;
    this.#heardAt = now;
    this.#busyMs = busyMs;
    if (before === undefined || computedMs <= 0 || computedMs < LEAST_BUSY_SHARE * (now - before)) return undefined;
    const kept = this.#observedAt === undefined ? 0 : Math.exp(Math.min(0, this.#observedAt - now) / SMOOTHING_MS);
    // Evidence from before a gap does not show that a condition lasted through it.
    if (this.#observedAt !== undefined && now - this.#observedAt > BEGINS_AFTER_MS) this.#otherwiseSince = undefined;
    this.#observedAt = now;
    const { starvedShare: shareBefore } = this.#report;
    this.#report = {
      ...this.#report,
      slowdown: kept * this.#report.slowdown + (1 - kept) * slowdown,
      starvedShare: starvedShare === null || shareBefore === null ? starvedShare : kept * shareBefore + (1 - kept) * starvedShare,
    };
    return this.#judge(now);
  }

  #judge(now: number): SpeedReport | undefined {
    const { state, slowdown } = this.#report;
    const isSlow = state === 'slow';
    const ends = isSlow && slowdown < ENDS_BELOW;
    const differs = Math.max(slowdown / this.#told, this.#told / slowdown) > WORTH_TELLING;
    const otherwise = isSlow ? ends || differs : slowdown > BEGINS_ABOVE;
    if (!otherwise) {
      this.#otherwiseSince = undefined;
      return undefined;
    }
    this.#otherwiseSince ??= now;
    if (now - this.#otherwiseSince < (ends ? ENDS_AFTER_MS : BEGINS_AFTER_MS)) return undefined;
    this.#told = slowdown;
    this.#report = { ...this.#report, state: ends ? 'as-profiled' : 'slow', since: this.#otherwiseSince };
    this.#otherwiseSince = undefined;
    return this.#report;
  }
}
