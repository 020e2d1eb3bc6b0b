import { drop, note, perform } from '../../engine/actor/effect.ts';
import type { BatchOutput } from '../../engine/backend/backend.ts';
import { MalformedMessage } from '../../engine/errors.ts';
import type { Random } from '../../engine/random.ts';
import type { Sample, TensorSpec } from '../../engine/tensor/tensor.ts';
import { NO_NUMBER } from '../../plans/domain/cascade/certainty.ts';
import type { Judgement } from '../../plans/domain/task/judge.ts';
import { certaintyBin } from '../../plans/drift/certainty-bins.ts';
import { type AuditSettings, auditorOf, referenceOf } from '../../plans/policy/audit.ts';
import type { CompiledPlan } from '../../plans/policy/compiled-plan.ts';
import { SpareAudits } from '../../plans/policy/spare-audits.ts';
import { encodeAuditItem } from '../../plans/protocol/audit-codec.ts';
import type { AuditCounts } from '../../plans/protocol/control-messages.ts';
import type { AuditItem, Prediction, Result } from '../../plans/protocol/messages.ts';
import type { Router } from '../frontend/router.ts';
import { AuditCounter } from './audit-counter.ts';
import type { Spare, SpareWork } from './batch-loop.ts';
import type { Queued } from './batcher.ts';
import type { DeviceEffect } from './device-effects.ts';
import { opinionOf } from './model-replica.ts';
import type { DeviceWeights } from './weights/device-weights.ts';

export interface AuditOptions {
  readonly settings: AuditSettings;
  readonly random: Random;
  /** Whether two answers are the same. */
  readonly agree: (a: Prediction, b: Prediction) => boolean;
}

export interface DeviceAuditsOptions extends AuditOptions {
  readonly device: string;
  /** Limit of the NATS server. */
  readonly maxPayloadBytes: number;
  readonly specs: readonly TensorSpec[];
  readonly router: Router;
  /** Per model: the weights of the plan in force. */
  readonly weights: () => readonly DeviceWeights[];
  /** Whether this device holds the weights in force for a model. */
  readonly holds: (model: number) => boolean;
  /** Size of a sample, if samples differ in size. */
  readonly sizeOf: ((sample: Sample) => number) | undefined;
  /** Planned time of a batch here. Not the measured one, which changes between comparisons. @param sampleSize default: typical. */
  readonly batchMs: (model: number, batch: number, sampleSize?: number) => number;
  readonly judge: (output: BatchOutput, row: number, model: number) => Judgement;
}

/** Audits on one device (see plans/policy/spare-audits.ts): has answers checked, here or elsewhere, and counts the results. */
export class DeviceAudits implements SpareWork {
  readonly #options: DeviceAuditsOptions;
  readonly #number: number;
  readonly #audits: SpareAudits<AuditItem>;
  readonly #counter: AuditCounter;
  /** Cached for its plan, because every answer needs it. */
  #reference: { readonly plan: CompiledPlan; readonly model: number } | undefined;
  #running: { readonly item: AuditItem; readonly model: number; readonly weights: DeviceWeights } | undefined;

  constructor(options: DeviceAuditsOptions) {
    this.#options = options;
    this.#number = options.router.devices.indexOf(options.device);
    const { settings, random, batchMs, sizeOf } = options;
    this.#counter = new AuditCounter(options.router.models);
    this.#audits = new SpareAudits({
      settings,
      random,
      device: { number: this.#number, of: options.router.devices.length },
      batchMs,
      sizeOf: ({ sample }) => sizeOf?.(sample),
    });
  }

  /** Accepts an answer to audit from another device; false when the queue is full. */
  enqueue(item: AuditItem): boolean {
    return this.#audits.enqueue(item);
  }

  /** A client has been answered. */
  answered({ item }: Queued, result: Result, now: number, out: DeviceEffect[]): void {
    const { router, weights, agree } = this.#options;
    const { revision, gear, plan } = router;
    // Gears for the loss of a device are not audited, because they are short-lived.
    if (result.revision !== revision || result.gear !== gear.index || plan.gears[gear.index] !== gear) return;
    const reference = this.#referenceIn(plan);
    if (reference === -1) return;
    const { model, certainty } = result;
    const byReference = model === router.models[reference];
    const drawn = this.#audits.draws(byReference);
    if (byReference) {
      const { opinion } = item;
      const agrees = opinion === undefined || agree(opinion, result);
      const bin = certaintyBin(weights()[reference].certaintyEdges, certainty);
      this.#counter.answeredByReference(revision, gear.index, reference, agrees, bin);
      return;
    }
    this.#counter.answered(revision, gear.index, router.models.indexOf(model), drawn);
    if (!drawn) return;
    const auditor = auditorOf(this.#number, router.devices.length, (device) =>
      device === this.#number ? this.hasSpare(now) : router.hasSpare(device, reference),
    );
    if (auditor === -1) return;
    const opinion = opinionOf(result, certainty, model, result.stage, router);
    this.#ask(auditor, { opinion, sample: item.sample }, out);
  }

  /** Whether this device would accept an audit now; reported in heartbeats. */
  hasSpare(now: number): boolean {
    return this.#audits.hasSpare(this.#ownReference, this.#options.router.gear, now);
  }

  next(now: number): Spare | undefined {
    const { router, weights, sizeOf } = this.#options;
    const model = this.#ownReference;
    let item = this.#audits.next(model, router.gear, now);
    // Skip audits from other revisions, whose weights may differ.
    while (item !== undefined && item.opinion.revision !== router.revision) item = this.#audits.next(model, router.gear, now);
    if (item === undefined) return undefined;
    this.#running = { item, model, weights: weights()[model] };
    return { model, sample: item.sample, size: sizeOf?.(item.sample) };
  }

  onDone(output: BatchOutput | undefined, out: DeviceEffect[]): void {
    const running = this.#running;
    this.#running = undefined;
    if (running === undefined) return;
    if (output === undefined) {
      const model = this.#options.router.models[running.model];
      out.push(note('warn', 'failed on a sample to audit; the client has its answer', { model }));
      return;
    }
    const { item, model, weights } = running;
    const { judge, agree, router } = this.#options;
    const { prediction, certainty } = judge(output, 0, model);
    if (certainty === NO_NUMBER) return;
    const { opinion } = item;
    const audited = router.models.indexOf(opinion.model);
    if (audited === -1) {
      out.push(drop(new MalformedMessage('audit', 'unknown model')));
      return;
    }
    const bin = certaintyBin(weights.certaintyEdges, certainty);
    this.#counter.compared(opinion.revision, opinion.gear, audited, agree(opinion, prediction), bin);
  }

  onBusy(from: number, to: number): void {
    this.#audits.busy(from, to);
  }

  /** The inference thread waited for a processor for this share of the time between `from` and `to`. */
  starved(from: number, to: number, share: number): void {
    this.#audits.starved(from, to, share);
  }

  /** The counts since the last call. */
  take(): AuditCounts[] {
    return this.#counter.take();
  }

  #ask(auditor: number, item: AuditItem, out: DeviceEffect[]): void {
    const { router, maxPayloadBytes, specs } = this.#options;
    if (auditor === this.#number) {
      // Copied, because a view would keep the whole frame in which the request arrived.
      const sample = item.sample.map(({ data, shape }) => ({ data: data.slice(), shape }));
      this.#audits.enqueue({ ...item, sample });
      return;
    }
    const data = encodeAuditItem(item, specs);
    if (data.length <= maxPayloadBytes) out.push(perform({ type: 'audit', device: router.devices[auditor], data }));
    else out.push(drop(new MalformedMessage('audit', 'above the payload limit of the server')));
  }

  /** The most accurate model, or -1 when this device does not hold it. */
  get #ownReference(): number {
    const { router, holds } = this.#options;
    const reference = this.#referenceIn(router.plan);
    return reference !== -1 && holds(reference) ? reference : -1;
  }

  #referenceIn(plan: CompiledPlan): number {
    const accuracy = (): number[] => this.#options.weights().map((each) => each.accuracy);
    if (this.#reference?.plan !== plan) this.#reference = { plan, model: referenceOf(plan, accuracy()) };
    return this.#reference.model;
  }
}
