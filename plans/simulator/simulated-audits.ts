import type { Random } from '../../engine/random.ts';
import { NO_NUMBER } from '../domain/cascade/certainty.ts';
import { type AuditSettings, auditorOf, referenceOf } from '../policy/audit.ts';
import type { CompiledGear, CompiledPlan } from '../policy/compiled-plan.ts';
import { SpareAudits } from '../policy/spare-audits.ts';
import type { SimulatedSystem } from './simulated-system.ts';

const NONE = -1;

/** Whether and how answers are audited. */
export interface SimulatedAuditOptions {
  readonly settings: AuditSettings;
  /** Each device has its own stream of random numbers, named after it. */
  readonly random: Random;
}

/** Of the answers by models other than the most accurate one: how many were drawn, and how many there was time to audit. */
export interface AuditTotals {
  readonly drawn: number;
  readonly compared: number;
}

/** The audits of all devices, with the same policy as the real ones (DeviceAudits). Audited requests are numbers. */
export class SimulatedAudits {
  /** The most accurate model that the plan places. */
  readonly model: number;
  drawn = 0;
  compared = 0;
  readonly #system: SimulatedSystem;
  /** Per request. */
  readonly #sample: Int32Array;
  readonly #audits: readonly SpareAudits<number>[];
  /** Per device: the model, or -1 if the device does not hold it. */
  readonly #held: Int32Array;
  /** Per device: 1 when its last heartbeat reported spare time. */
  readonly #reportedSpare: Uint8Array;
  readonly #startedMs: Float64Array;

  constructor(system: SimulatedSystem, plan: CompiledPlan, sample: Int32Array, { settings, random }: SimulatedAuditOptions) {
    const { devices, sizes, batchMs, sizedMs, deviceNames } = system;
    this.#system = system;
    this.#sample = sample;
    this.model = referenceOf(plan, accuracies(system));
    this.#held = Int32Array.from({ length: devices }, (_, d) =>
      this.model !== NONE && plan.placed[this.model * devices + d] === 1 ? this.model : NONE,
    );
    this.#reportedSpare = new Uint8Array(devices);
    this.#startedMs = new Float64Array(devices);
    this.#audits = deviceNames.map(
      (name, number) =>
        new SpareAudits({
          settings,
          random: random.split(name),
          device: { number, of: devices },
          batchMs: (model, batch, sampleSize) => {
            const replica = model * devices + number;
            return sampleSize === undefined ? batchMs[replica]?.[batch] : sizedMs[replica](batch, sampleSize);
          },
          sizeOf: (request) => sizes?.size[sample[request]],
        }),
    );
  }

  /** A device has answered. @returns the device that is to audit the answer, or -1. */
  answered(device: number, model: number, gear: CompiledGear, now: number): number {
    if (this.model === NONE || !this.#audits[device].draws(model === this.model)) return NONE;
    this.drawn++;
    return auditorOf(device, this.#audits.length, (other) =>
      other === device ? this.#hasSpare(device, gear, now) : this.#reportedSpare[other] === 1,
    );
  }

  /** False when too many are waiting there. */
  enqueue(device: number, request: number): boolean {
    return this.#audits[device].enqueue(request);
  }

  /** The request that a device with empty queues is to audit now, or -1. */
  next(device: number, gear: CompiledGear, now: number): number {
    return this.#audits[device].next(this.#held[device], gear, now) ?? NONE;
  }

  /** Time of an audit according to the profile. */
  profiledMs(device: number, request: number): number {
    const { devices, sizes, batchMs, sizedMs } = this.#system;
    const replica = this.model * devices + device;
    return sizes === undefined ? batchMs[replica]![1] : sizedMs[replica](1, sizes.size[this.#sample[request]]);
  }

  done(request: number): void {
    const { certainty, samples } = this.#system;
    if (certainty[this.model * samples + this.#sample[request]] !== NO_NUMBER) this.compared++;
  }

  heartbeat(device: number, gear: CompiledGear, now: number): void {
    this.#reportedSpare[device] = this.#hasSpare(device, gear, now) ? 1 : 0;
  }

  /** A device has started or finished something. */
  started(device: number, now: number): void {
    this.#startedMs[device] = now;
  }

  ended(device: number, now: number): void {
    this.#audits[device].busy(this.#startedMs[device], now);
  }

  #hasSpare(device: number, gear: CompiledGear, now: number): boolean {
    return this.#audits[device].hasSpare(this.#held[device], gear, now);
  }
}

/** Per model, according to the validation records. */
function accuracies({ models, samples, quality }: SimulatedSystem): number[] {
  return Array.from(
    { length: models },
    (_, m) => quality.subarray(m * samples, (m + 1) * samples).reduce((sum, value) => sum + value, 0) / samples,
  );
}
