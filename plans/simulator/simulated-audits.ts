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
  /** Each device draws by a stream of its own, named as the device is. */
  readonly random: Random;
}

/** Of the answers of other models than the most accurate one: how many were drawn, and about how many there was time to ask. */
export interface AuditTotals {
  readonly drawn: number;
  readonly compared: number;
}

/** The audits of all devices, with the policy of the real ones (DeviceAudits). What is asked about are requests by number. */
export class SimulatedAudits {
  /** The most accurate model that the plan places. */
  readonly model: number;
  drawn = 0;
  compared = 0;
  readonly #system: SimulatedSystem;
  /** Of each request. */
  readonly #sample: Int32Array;
  readonly #audits: readonly SpareAudits<number>[];
  /** Per device: the model, or -1 where it is not there. */
  readonly #held: Int32Array;
  /** Per device: 1 when it said in its last heartbeat that it had time to spare. */
  readonly #toldSpare: Uint8Array;
  readonly #startedMs: Float64Array;

  constructor(system: SimulatedSystem, plan: CompiledPlan, sample: Int32Array, { settings, random }: SimulatedAuditOptions) {
    const { devices, sizes, batchMs, sizedMs, deviceNames } = system;
    this.#system = system;
    this.#sample = sample;
    this.model = referenceOf(plan, accuracies(system));
    this.#held = Int32Array.from({ length: devices }, (_, d) =>
      this.model !== NONE && plan.placed[this.model * devices + d] === 1 ? this.model : NONE,
    );
    this.#toldSpare = new Uint8Array(devices);
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

  /** A device answered. @returns the device that is to ask about it, or -1. */
  answered(device: number, model: number, gear: CompiledGear, now: number): number {
    if (this.model === NONE || !this.#audits[device].draws(model === this.model)) return NONE;
    this.drawn++;
    return auditorOf(device, this.#audits.length, (other) =>
      other === device ? this.#hasSpare(device, gear, now) : this.#toldSpare[other] === 1,
    );
  }

  /** False when too many wait there. */
  enqueue(device: number, request: number): boolean {
    return this.#audits[device].enqueue(request);
  }

  /** The request that a device on which nothing waits is to ask about now, or -1. */
  next(device: number, gear: CompiledGear, now: number): number {
    return this.#audits[device].next(this.#held[device], gear, now) ?? NONE;
  }

  /** Time of an audit by the profile. */
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
    this.#toldSpare[device] = this.#hasSpare(device, gear, now) ? 1 : 0;
  }

  /** A device began or ended something, whatever. */
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

/** Per model, by the validation records. */
function accuracies({ models, samples, quality }: SimulatedSystem): number[] {
  return Array.from(
    { length: models },
    (_, m) => quality.subarray(m * samples, (m + 1) * samples).reduce((sum, value) => sum + value, 0) / samples,
  );
}
