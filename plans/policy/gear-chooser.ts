import type { CompiledGear } from './compiled-plan.ts';
import { type GearDecision, type GearInputs, type GearRule, wantedGears } from './gear-choice.ts';

/** A shift down that had to be taken back within this time was wrong, unless the load has changed. */
const TAKEN_BACK_WITHIN_MS = 60_000;
/** Loads that differ by less are the same. */
const SAME_LOAD = 1.15;
/**
 * While the load comes down, gears in between are enough for a moment: it is the gear that was enough for this last part of the settle
 * time that is taken.
 */
const SETTLED_PART = 0.8;
/** Longest time for which a lower-load gear must have been enough. */
const LONGEST_SETTLE_MS = 60_000;

/**
 * Chooses gears over time: up at once, down with evidence. A lower-load gear is taken once it has been enough for `settleMs`. When
 * the same load needs the higher one again, the lower gear does not hold what the plan says of it, or only while the devices have their
 * full speed, and the next try waits twice as long. So at a constant load the gear comes to rest, however wrong the plan is and
 * however the speed goes up and down.
 */
export class GearChooser {
  readonly #rule: GearRule;
  #gears: readonly CompiledGear[];
  #gear = 0;
  /** The table has changed since the last decision: the gear in force means nothing in it. */
  #tableChanged = false;
  /** For the load of the last shift up. */
  #settleMs: number;
  /** Since when lower gears have been enough. */
  #quietSince: number | undefined;
  /** Those that were, by time; the ones that a later, higher one makes needless are left out. */
  readonly #enough: { readonly at: number; readonly gear: number }[] = [];
  #lastDown: { readonly at: number; readonly qps: number } | undefined;
  #lastUpQps = 0;

  constructor(gears: readonly CompiledGear[], rule: GearRule) {
    this.#gears = gears;
    this.#rule = rule;
    this.#settleMs = rule.settleMs;
  }

  get gear(): number {
    return this.#gear;
  }

  get gears(): readonly CompiledGear[] {
    return this.#gears;
  }

  /** Another table for the same models: the next decision is made without hysteresis; until then the nearest index stands. */
  use(gears: readonly CompiledGear[]): void {
    this.#gears = gears;
    this.#gear = Math.min(this.#gear, gears.length - 1);
    this.#tableChanged = true;
    this.#startOver();
    this.#lastDown = undefined;
    this.#settleMs = this.#rule.settleMs;
  }

  decide(inputs: GearInputs, now: number): GearDecision {
    const rule = this.#tableChanged ? { ...this.#rule, alpha: 0 } : this.#rule;
    const { least, most } = wantedGears(this.#gears, this.#gear, inputs, rule);
    const qps = (inputs.load.lowQps + inputs.load.highQps) / 2;
    const settleMs = this.#tableChanged ? 0 : this.#settleMsAt(qps);
    this.#tableChanged = false;
    if (least.gear > this.#gear) {
      this.#onUp(qps, now);
      this.#gear = least.gear;
      return least;
    }
    if (most.gear >= this.#gear) {
      this.#startOver();
      return { gear: this.#gear, basis: most.basis };
    }
    if (inputs.load.qps < rule.alpha * inputs.firstQueue) return this.#stay(most, 'held');
    this.#quietSince ??= now;
    while (this.#enough.length > 0 && this.#enough[this.#enough.length - 1].gear <= most.gear) this.#enough.pop();
    this.#enough.push({ at: now, gear: most.gear });
    if (now - this.#quietSince < settleMs) return this.#stay(most, 'settling');
    this.#gear = this.#enough.find(({ at }) => now - at <= SETTLED_PART * settleMs)!.gear;
    this.#startOver();
    this.#lastDown = { at: now, qps };
    return { gear: this.#gear, basis: most.basis };
  }

  #stay({ basis }: GearDecision, rule: 'held' | 'settling'): GearDecision {
    return { gear: this.#gear, basis: { ...basis, rule } };
  }

  #startOver(): void {
    this.#quietSince = undefined;
    this.#enough.length = 0;
  }

  #onUp(qps: number, now: number): void {
    this.#startOver();
    this.#lastUpQps = qps;
    const down = this.#lastDown;
    this.#lastDown = undefined;
    if (down === undefined) return;
    const takenBack = now - down.at < TAKEN_BACK_WITHIN_MS && qps < SAME_LOAD * down.qps;
    this.#settleMs = takenBack ? Math.min(LONGEST_SETTLE_MS, 2 * this.#settleMs) : this.#rule.settleMs;
  }

  /** What was learned at one load does not hold for a lower one. */
  #settleMsAt(qps: number): number {
    return SAME_LOAD * qps < this.#lastUpQps ? this.#rule.settleMs : this.#settleMs;
  }
}
