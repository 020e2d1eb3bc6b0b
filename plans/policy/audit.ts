import type { Random } from '../../engine/random.ts';
import type { CompiledGear, CompiledPlan } from './compiled-plan.ts';

/**
 * Audit: in spare time, ask the most accurate model about a random share of the answers that other models gave. We draw an answer
 * before looking for spare time. Whether an audit is dropped then depends only on the load at that moment and never on the sample,
 * so what is compared is a random part of the answers given while there was time.
 */
export interface AuditSettings {
  /** Audits per answer, counting the answers of all models. When other models answer few requests, more of those are drawn. */
  readonly share: number;
  /** A device audits only while its recent utilisation, audits included, is below this. */
  readonly utilisation: number;
}

/** Most samples that wait on a device for spare time; any more are dropped and counted. */
export const AUDIT_QUEUE = 64;

/** Time constant of recent shares. */
const RECENT_MS = 1_000;
/** The same, to notice a crowd as it begins: within a second, audits would turn it into a backlog. */
export const SUDDEN_MS = 100;

/** Share of a gear's expected p95 by which an audit may delay a request that arrives meanwhile. */
const DELAY_SHARE = 0.1;

/**
 * A device that recently waited for a processor for more than this share of the time has nothing to spare, however idle it looks:
 * others use its cores, and an audit would take time from them or from its own frontends.
 */
export const STARVED_ABOVE = 0.3;

/** Number of answers over which we average how many come from models other than the most accurate. */
const RECENT_ANSWERS = 200;

/**
 * Draws answers of other models at random so that audits are a fixed share of all answers. Then the time to detect a loss does not
 * depend on how many answers the most accurate model gives itself. It draws gaps, so most answers cost next to nothing.
 */
export class AuditSampler {
  readonly #share: number;
  readonly #random: Random;
  /** Share of the recent answers that other models gave. */
  #others = 1;
  #gap: number;

  constructor(share: number, random: Random) {
    this.#share = share;
    this.#random = random;
    this.#gap = this.#nextGap();
  }

  /** The most accurate model gave the answer itself. */
  skips(): void {
    this.#others -= this.#others / RECENT_ANSWERS;
  }

  /** Another model gave the answer. @returns whether it is drawn. */
  draws(): boolean {
    this.#others += (1 - this.#others) / RECENT_ANSWERS;
    if (this.#gap-- > 0) return false;
    this.#gap = this.#nextGap();
    return true;
  }

  /** Number of answers before the next draw: geometric. */
  #nextGap(): number {
    const chance = this.#share / this.#others;
    return chance >= 1 ? 0 : Math.floor(Math.log(1 - this.#random.next()) / Math.log(1 - chance));
  }
}

/** Share of recent time for which a condition held; older time decays exponentially. */
export class RecentShare {
  readonly #timeConstantMs: number;
  #share = 0;
  #at = 0;

  constructor(timeConstantMs = RECENT_MS) {
    this.#timeConstantMs = timeConstantMs;
  }

  /** The condition held between `from` and `to`, or for a share of that time. Calls must be in time order. */
  add(from: number, to: number, share = 1): void {
    const before = this.at(from);
    this.#share = share - (share - before) * Math.exp((from - to) / this.#timeConstantMs);
    this.#at = to;
  }

  at(now: number): number {
    return this.#share === 0 ? 0 : this.#share * Math.exp(Math.min(0, this.#at - now) / this.#timeConstantMs);
  }
}

/**
 * Whether a device with empty queues may run one audit: it must not be too busy, and a request that arrives meanwhile must wait no
 * longer than for a batch of its own gear, or for a small part of its usual latency.
 * @param batchMs time of a batch on that device; undefined when it cannot run the model.
 * @param auditMs time of the audit.
 */
export function mayAudit(
  utilisation: number,
  settings: AuditSettings,
  auditMs: number | undefined,
  gear: CompiledGear,
  device: { readonly number: number; readonly of: number },
  batchMs: (model: number, size: number) => number | undefined,
): boolean {
  if (auditMs === undefined || utilisation >= settings.utilisation) return false;
  if (auditMs <= DELAY_SHARE * gear.expectedMsP95) return true;
  for (const model of gear.cascade) {
    const replica = model * device.of + device.number;
    if (gear.shares[replica] > 0 && auditMs <= (batchMs(model, gear.minQueueLength[replica]) ?? 0)) return true;
  }
  return false;
}

/** The most accurate model that a plan places; of equals, the later and larger one. -1 when none is placed. */
export function referenceOf({ placed, models, devices }: CompiledPlan, accuracy: readonly number[]): number {
  let best = -1;
  for (let model = 0; model < models.length; model++) {
    const isPlaced = placed.subarray(model * devices.length, (model + 1) * devices.length).includes(1);
    if (isPlaced && (best === -1 || accuracy[model] >= accuracy[best])) best = model;
  }
  return best;
}

/**
 * Which device audits an answer of device `own`: itself if it can, else the next one that can, which spreads the work.
 * @param can whether a device, as far as is known, holds the reference model and has time to spare.
 * @returns -1 when no device can.
 */
export function auditorOf(own: number, devices: number, can: (device: number) => boolean): number {
  for (let step = 0; step < devices; step++) {
    const device = (own + step) % devices;
    if (can(device)) return device;
  }
  return -1;
}
