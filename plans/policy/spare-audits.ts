import { Ring } from '../../engine/collections/ring.ts';
import type { Random } from '../../engine/random.ts';
import { AUDIT_QUEUE, AuditSampler, type AuditSettings, mayAudit, RecentShare, STARVED_ABOVE, SUDDEN_MS } from './audit.ts';
import type { CompiledGear } from './compiled-plan.ts';

export interface SpareAuditsOptions<Item> {
  readonly settings: AuditSettings;
  readonly random: Random;
  /** This device's number, and how many devices the plan has. */
  readonly device: { readonly number: number; readonly of: number };
  /** Time of a batch on this device; undefined when it cannot run the model. @param sampleSize default: typical. */
  readonly batchMs: (model: number, batch: number, sampleSize?: number) => number | undefined;
  /** Size of the sample to audit; undefined when all samples have the same size. */
  readonly sizeOf: (item: Item) => number | undefined;
}

/**
 * The audits of one device, real or simulated: which answers are drawn, and which one to audit when there is time to spare. The
 * `model` parameters are the most accurate model, or -1 when this device does not hold it.
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

  /** Records an answer. @returns whether it is to be audited. */
  draws(byMostAccurate: boolean): boolean {
    if (!byMostAccurate) return this.#sampler.draws();
    this.#sampler.skips();
    return false;
  }

  /** Whether this device would accept an audit now. */
  hasSpare(model: number, gear: CompiledGear, now: number): boolean {
    return model !== -1 && this.#waiting.length < AUDIT_QUEUE && this.#may(model, gear, now);
  }

  /** False when too many are waiting: the item is dropped and not compared. */
  enqueue(item: Item): boolean {
    if (this.#waiting.length >= AUDIT_QUEUE) return false;
    this.#waiting.push(item);
    return true;
  }

  /** Call when nothing waits on the device. @returns what to audit, if there is something and time for it. */
  next(model: number, gear: CompiledGear, now: number): Item | undefined {
    if (this.#waiting.length === 0 || model === -1 || !this.#may(model, gear, now)) return undefined;
    for (let item = this.#waiting.shift(); item !== undefined; item = this.#waiting.shift()) {
      const size = this.#options.sizeOf(item);
      // Drop an audit that would delay requests for longer than allowed.
      if (size === undefined || this.#may(model, gear, now, size)) return item;
    }
    return undefined;
  }

  /** The device was busy with anything between these times. */
  busy(from: number, to: number): void {
    this.#utilisation.add(from, to);
    this.#sudden.add(from, to);
  }

  /** The inference thread waited for a processor for this share of the time. */
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
