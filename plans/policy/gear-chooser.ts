import type { CompiledGear } from './compiled-plan.ts';
import { type GearDecision, type GearInputs, type GearRule, wantedGears } from './gear-choice.ts';

/** A downshift that had to be reversed within this time was wrong, unless the load has changed. */
const TAKEN_BACK_WITHIN_MS = 60_000;
/** Loads that differ by less count as the same. */
const SAME_LOAD = 1.15;
/**
 * While the load falls, gears in between suffice for a moment. We take the gear that sufficed for this last part of the settle time.
 */
const SETTLED_PART = 0.8;
/** Upper bound on the time for which a lower-load gear must have sufficed. */
const LONGEST_SETTLE_MS = 60_000;

/**
 * Chooses gears over time: shifts up at once, and down only with evidence, once a lower-load gear has sufficed for `settleMs`. If the
 * same load then needs the higher gear again, the lower gear cannot carry what the plan says, or only while devices run at full
 * speed, so the next attempt waits twice as long. At constant load, the gear therefore comes to rest, however wrong the plan is and
 * however much the speed fluctuates.
 */
export class GearChooser {
  readonly #rule: GearRule;
  #gears: readonly CompiledGear[];
  #gear = 0;
  /** The table has changed since the last decision, so the index of the gear in force means nothing in it. */
  #tableChanged = false;
  /** Settle time at the load of the last upshift. */
  #settleMs: number;
  /** Since when lower gears have sufficed. */
  #quietSince: number | undefined;
  /** The gears that sufficed, by time, without those made irrelevant by a later, higher one. */
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

  /** Switches to another table for the same models. The next decision ignores hysteresis; until then the nearest index stands. */
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

  /** What was learned at one load does not apply to a lower one. */
  #settleMsAt(qps: number): number {
    return SAME_LOAD * qps < this.#lastUpQps ? this.#rule.settleMs : this.#settleMs;
  }
}
