import type { DeviceState } from '../protocol/control-messages.ts';
import type { SpeedReport } from '../protocol/events.ts';

/** A device whose batches take so many times as long as profiled is slow, and below this one it is as profiled again. */
const BEGINS_ABOVE = 1.25;
const ENDS_BELOW = 1.12;
/** For so long it must have been so. */
const BEGINS_AFTER_MS = 1_000;
const ENDS_AFTER_MS = 3_000;
/** A slow device that has become faster or slower by more than this is worth another word. */
const WORTH_TELLING = 4 / 3;
/** How fast what was measured is forgotten. */
const SMOOTHING_MS = 400;
/** A device that computes for less than this share of the time says too little of its speed: it counts as profiled then. */
const LEAST_BUSY_SHARE = 0.02;

/** What a heartbeat says of the speed. */
export type SpeedSigns = Pick<DeviceState, 'slowdown' | 'starvedShare' | 'busyMs'>;

/**
 * When a device becomes slow, and when it is as profiled again. Gears and shares follow the measured speed from batch to batch;
 * people are told of what lasts. An idle device says nothing of its speed: what was known of it last stands.
 */
export class SpeedWatch {
  #report: SpeedReport = { state: 'as-profiled', slowdown: 1, since: null, starvedShare: null };
  #told = 1;
  /** Since when the signs speak for another report. */
  #otherwiseSince: number | undefined;
  #observedAt: number | undefined;
  #heardAt: number | undefined;
  #busyMs = 0;

  get report(): SpeedReport {
    return this.#report;
  }

  /** A heartbeat. @returns the new report when there is something to tell. */
  observe({ slowdown, starvedShare, busyMs }: SpeedSigns, now: number): SpeedReport | undefined {
    const before = this.#heardAt;
    // Below what it was before: another process.
    const computedMs = busyMs - this.#busyMs;
    this.#heardAt = now;
    this.#busyMs = busyMs;
    if (before === undefined || computedMs <= 0 || computedMs < LEAST_BUSY_SHARE * (now - before)) return undefined;
    const kept = this.#observedAt === undefined ? 0 : Math.exp(Math.min(0, this.#observedAt - now) / SMOOTHING_MS);
    // What was seen before a pause is no evidence of what lasted through it.
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
