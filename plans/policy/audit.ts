import type { Random } from '../../engine/random.ts';
import type { CompiledGear, CompiledPlan } from './compiled-plan.ts';

/**
 * The audit: the most accurate model is asked, in spare time, about a random share of the answers that other models
 * gave. An answer is drawn before anyone looks whether there is time. What is dropped for want of time depends on the load of that
 * moment and never on the sample, so that what is compared is a random part of the answers given while there was time.
 */
export interface AuditSettings {
  /** Audits per answer, whoever gave it: where other models answer little, more of that is drawn. */
  readonly share: number;
  /** A device audits only while its recent utilisation, audits included, is below this. */
  readonly utilisation: number;
}

/** Samples that wait on a device for spare time at most; beyond, they are dropped and counted. */
export const AUDIT_QUEUE = 64;

/** Time constant of recent shares. */
const RECENT_MS = 1_000;
/** The same for the begin of a crowd: within a second, audits would have made it a backlog. */
export const SUDDEN_MS = 100;

/** Share of a gear's expected 95th percentile by which an audit may delay a request that comes meanwhile. */
const DELAY_SHARE = 0.1;

/**
 * A device that recently waited for a processor for more than this share of the time has nothing to spare, however idle it is: others
 * use its cores, and an audit would take from them, or from its own frontends.
 */
export const STARVED_ABOVE = 0.3;

/** Answers over which it is averaged how many the most accurate model does not give. */
const RECENT_ANSWERS = 200;

/**
 * Draws answers of other models at random, such that audits make up a fixed share of all answers: how long it takes to find a loss
 * does not depend on how many answers the most accurate model gives itself. By the gaps, so that most answers cost next to nothing.
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

  /** The most accurate model answered itself. */
  skips(): void {
    this.#others -= this.#others / RECENT_ANSWERS;
  }

  /** Another model answered. @returns whether its answer is drawn. */
  draws(): boolean {
    this.#others += (1 - this.#others) / RECENT_ANSWERS;
    if (this.#gap-- > 0) return false;
    this.#gap = this.#nextGap();
    return true;
  }

  /** Answers before the next one drawn: geometric. */
  #nextGap(): number {
    const chance = this.#share / this.#others;
    return chance >= 1 ? 0 : Math.floor(Math.log(1 - this.#random.next()) / Math.log(1 - chance));
  }
}

/** Share of the last while for which something was the case; older time counts exponentially less. */
export class RecentShare {
  readonly #timeConstantMs: number;
  #share = 0;
  #at = 0;

  constructor(timeConstantMs = RECENT_MS) {
    this.#timeConstantMs = timeConstantMs;
  }

  /** It was so from `from` to `to`, or for a share of that time; calls in the order of time. */
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
 * Whether one audit may run on a device now that nothing waits there: it is not as busy as all that, and a request that comes
 * meanwhile waits no longer than behind a batch of its own gear, or for a small part of what it takes anyway.
 * @param batchMs time of a batch on that device; undefined where a model cannot run.
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

/** Most accurate of the models that a plan places; the later, larger one of equals. -1 where none is placed. */
export function referenceOf({ placed, models, devices }: CompiledPlan, accuracy: readonly number[]): number {
  let best = -1;
  for (let model = 0; model < models.length; model++) {
    const isPlaced = placed.subarray(model * devices.length, (model + 1) * devices.length).includes(1);
    if (isPlaced && (best === -1 || accuracy[model] >= accuracy[best])) best = model;
  }
  return best;
}

/**
 * Who audits an answer of device `own`: itself where it can, else the next device that can, so that the work is spread.
 * @param can whether a device holds the reference and has time to spare, as far as is known.
 * @returns -1 where nobody can.
 */
export function auditorOf(own: number, devices: number, can: (device: number) => boolean): number {
  for (let step = 0; step < devices; step++) {
    const device = (own + step) % devices;
    if (can(device)) return device;
  }
  return -1;
}
