import { Ring } from '../../engine/collections/ring.ts';
import type { Random } from '../../engine/random.ts';
import { AUDIT_QUEUE, AuditSampler, type AuditSettings, mayAudit, RecentShare, STARVED_ABOVE, SUDDEN_MS } from './audit.ts';
import type { CompiledGear } from './compiled-plan.ts';

export interface SpareAuditsOptions<Item> {
  readonly settings: AuditSettings;
  readonly random: Random;
  /** This device among those of the plan. */
  readonly device: { readonly number: number; readonly of: number };
  /** Time of a batch on it; undefined where a model cannot run. @param sampleSize default: typical. */
  readonly batchMs: (model: number, batch: number, sampleSize?: number) => number | undefined;
  /** Of the sample to be asked about; undefined where all are of one size. */
  readonly sizeOf: (item: Item) => number | undefined;
}

/**
 * The audits of one device, be it real or simulated: which answers are drawn, and what is asked when there is time to spare. Where a
 * model is asked for, it is the most accurate one, or -1 where this device does not hold it.
 */
export class SpareAudits<Item> {
  readonly #options: SpareAuditsOptions<Item>;
  readonly #sampler: AuditSampler;
  readonly #utilisation = new RecentShare();
  readonly #sudden = new RecentShare(SUDDEN_MS);
  readonly #starved = new RecentShare();
  readonly #waiting = new Ring<Item>();

  constructor(options: SpareAuditsOptions<Item>) {
    this.#options = options;
    this.#sampler = new AuditSampler(options.settings.share, options.random);
  }

  /** An answer was given. @returns whether it is to be audited. */
  draws(byMostAccurate: boolean): boolean {
    if (!byMostAccurate) return this.#sampler.draws();
    this.#sampler.skips();
    return false;
  }

  /** Whether an audit would be taken in now. */
  hasSpare(model: number, gear: CompiledGear, now: number): boolean {
    return model !== -1 && this.#waiting.length < AUDIT_QUEUE && this.#may(model, gear, now);
  }

  /** False when too many wait: it is dropped, and misses among those compared. */
  enqueue(item: Item): boolean {
    if (this.#waiting.length >= AUDIT_QUEUE) return false;
    this.#waiting.push(item);
    return true;
  }

  /** To be called when nothing waits on the device. @returns what to ask about, if there is anything, and time. */
  next(model: number, gear: CompiledGear, now: number): Item | undefined {
    if (this.#waiting.length === 0 || model === -1 || !this.#may(model, gear, now)) return undefined;
    for (let item = this.#waiting.shift(); item !== undefined; item = this.#waiting.shift()) {
      const size = this.#options.sizeOf(item);
      // One that would hold up the others for longer than is allowed is dropped.
      if (size === undefined || this.#may(model, gear, now, size)) return item;
    }
    return undefined;
  }

  /** The device was occupied, by whatever, from one time to the other. */
  busy(from: number, to: number): void {
    this.#utilisation.add(from, to);
    this.#sudden.add(from, to);
  }

  /** Its inference thread waited for a processor for this share of the time between. */
  starved(from: number, to: number, share: number): void {
    this.#starved.add(from, to, share);
  }

  #may(model: number, gear: CompiledGear, now: number, size?: number): boolean {
    if (this.#starved.at(now) > STARVED_ABOVE) return false;
    const { settings, device, batchMs } = this.#options;
    const utilisation = Math.max(this.#utilisation.at(now), this.#sudden.at(now));
    return mayAudit(utilisation, settings, batchMs(model, 1, size), gear, device, batchMs);
  }
}
