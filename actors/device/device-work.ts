import { note, perform } from '../../engine/actor/effect.ts';
import type { BatchOutput } from '../../engine/backend/backend.ts';
import type { Sample, TensorSpec } from '../../engine/tensor/tensor.ts';
import type { Tracing } from '../../engine/tracing/tracing.ts';
import { batchKeyRule, sampleSize } from '../../plans/policy/batch-key.ts';
import { endsTooLate, REPLICA_GRACE_MS } from '../../plans/policy/deadline.ts';
import { estimatedBytes } from '../../plans/protocol/codec.ts';
import type { DeviceState } from '../../plans/protocol/control-messages.ts';
import type { WorkFrame, WorkItem } from '../../plans/protocol/messages.ts';
import { type ReportedReason, Unserved } from '../../plans/protocol/unserved.ts';
import { failureOf } from '../frontend/answers.ts';
import { largestItemBytes } from '../frontend/outbox.ts';
import type { Router } from '../frontend/router.ts';
import { BatchLoop } from './batch-loop.ts';
import { recordBatch } from './batch-spans.ts';
import type { QueueBounds, Queued } from './batcher.ts';
import { CertaintyCounter } from './certainty-counter.ts';
import type { DeviceAudits } from './device-audits.ts';
import type { Answer, DeviceEffect } from './device-effects.ts';
import { Measures } from './measures.ts';
import { finishBatch, type Outcome, type ReplicaOptions, standingResult } from './model-replica.ts';
import type { BatchOrder } from './orders.ts';
import type { DeviceWeights } from './weights/device-weights.ts';

export interface DeviceWorkOptions extends ReplicaOptions {
  readonly device: string;
  readonly specs: readonly TensorSpec[];
  readonly router: Router;
  readonly bounds: QueueBounds;
  /** Limit of the NATS server. */
  readonly maxPayloadBytes: number;
  readonly watchMs: number;
  readonly phase: () => DeviceState['phase'];
  /** Per model: the weights of the plan in force. */
  readonly weights: () => readonly DeviceWeights[];
  /** Whether this device holds the weights in force for a model. */
  readonly holds: (model: number) => boolean;
  readonly audits: DeviceAudits | undefined;
  /** Default: no tracing. */
  readonly tracing?: Tracing | undefined;
  readonly sendHeartbeat: (now: number, out: DeviceEffect[]) => void;
  /** A batch has started. */
  readonly onStarted: (now: number, out: DeviceEffect[]) => void;
}

/**
 * The requests on a device: queues them, computes them in batches, answers them, or passes them on to other models and devices. Runs for
 * each request, so its state is mutable. Each call adds its effects to `out`.
 */
export class DeviceWork {
  readonly loop: BatchLoop;
  readonly unserved = new Unserved();
  readonly certainties: CertaintyCounter;
  readonly measures = new Measures();
  /** Answers per model. */
  readonly answered: number[];
  readonly #options: DeviceWorkOptions;
  readonly #largestItemBytes: number;
  readonly #batchKeyOf: ReturnType<typeof batchKeyRule>;
  readonly #sizeOf: ((sample: Sample) => number) | undefined;

  constructor(options: DeviceWorkOptions, now: number) {
    const { device, router, specs, models, bounds, watchMs, weights, holds, phase, audits, sendHeartbeat, onStarted } = options;
    this.#options = options;
    this.#largestItemBytes = largestItemBytes(options.maxPayloadBytes);
    this.#batchKeyOf = batchKeyRule(specs);
    this.#sizeOf = sampleSize(specs);
    this.answered = models.map(() => 0);
    this.certainties = new CertaintyCounter(models);
    this.loop = new BatchLoop(
      {
        ...{ device, router, bounds, watchMs, weights, holds, phase, spare: audits, onTrial: sendHeartbeat, onStarted },
        onDone: (order, output, at, out) => this.#finish(order, output, at, out),
        onFailed: (order, error, at, out) => this.#failed(order, error, at, out),
        onStray: (model, request, at, out) => this.#passOn(model, request, at, out),
        onExpired: (request, at, out) => this.#expire(request, at, out),
      },
      now,
    );
  }

  /** @param model its number; -1 for an unknown one. */
  take(model: number, { origin, items }: WorkFrame, now: number, out: DeviceEffect[]): void {
    for (const item of items) {
      const { sample } = item;
      const batchKey = this.#batchKeyOf?.(sample, item.wantOutputs !== undefined);
      const request = { item, origin, enqueuedAt: now, batchKey, size: this.#sizeOf?.(sample) };
      this.#enqueue(model, request, now, out);
    }
    this.loop.pump(now, out);
  }

  /** Waiting requests are dropped; running ones will not move on. */
  cancel(cancelled: ReadonlyMap<string, ReadonlySet<number>>, now: number, out: DeviceEffect[]): void {
    const dropped = this.loop.cancel(({ origin, item }) => cancelled.get(origin)?.has(item.seq) === true);
    for (const request of dropped) this.#endCancelled('waiting', request, out);
    this.loop.pump(now, out);
  }

  /**
   * Answers have been sent. Excludes those that were dropped because there was no connection.
   * @param batch the batch that these answers complete, if any.
   */
  onSent(answers: readonly Answer[], batch: BatchOrder | undefined, now: number, out: DeviceEffect[]): void {
    const { audits } = this.#options;
    for (const answer of answers) {
      if (answer.type === 'failure') {
        this.unserved.count(answer.reason);
        continue;
      }
      this.measures.answered(answer.result);
      audits?.answered(answer.request, answer.result, now, out);
    }
    if (batch !== undefined) this.#endTrial(batch.requests, now, out);
    // There may be something to audit now.
    if (batch !== undefined || audits !== undefined) this.loop.pump(now, out);
  }

  #enqueue(model: number, request: Queued, now: number, out: DeviceEffect[]): void {
    const { device, models, holds } = this.#options;
    if (model === -1) {
      this.#refuse(request, 'unknown-model', `device ${device} was sent a request for an unknown model`, now, out);
    } else if (!holds(model)) {
      this.#passOn(model, request, now, out);
    } else if (!this.loop.enqueue(model, request)) {
      if (request.item.opinion !== undefined) {
        this.#stand(request, request.item, model, now, out);
        return;
      }
      const words = `the queue of ${models[model]} on ${device} is full; try again later`;
      this.#refuse(request, 'no-room', words, now, out, Math.ceil(this.loop.backlogMs(now) / 2));
    }
  }

  /** A request that was routed by a plan not in force any more, or not yet; another device has the model. */
  #passOn(model: number, request: Queued, now: number, out: DeviceEffect[]): void {
    const { router, device } = this.#options;
    const target = router.route(model);
    if (target !== undefined && target !== device && this.#sendTo(target, model, request.origin, request.item, out)) return;
    this.#stand(request, request.item, model, now, out);
  }

  #noDevice(model: number): string {
    return `no device with model ${this.#options.models[model]} can be reached; try again later`;
  }

  #finish(order: BatchOrder, output: BatchOutput, now: number, out: DeviceEffect[]): readonly DeviceEffect[] {
    const { model, requests, weights } = order;
    const { router, models, tracing } = this.#options;
    // For weights that are no longer in force, use the thresholds that were chosen for them.
    const inForce = weights.key === this.#options.weights()[model].key ? router : order;
    const { gear, revision, plan } = inForce;
    const outcomes = finishBatch(this.#options, inForce, model, requests, output, order.startedAt, now);
    if (tracing !== undefined) recordBatch(tracing, this.#options, model, outcomes, order.startedAt, now);
    // Contingency gears are not counted, because they are short-lived.
    const watched = plan.gears[gear.index] === gear;
    const answers: Answer[] = [];
    for (const outcome of outcomes) {
      const { request } = outcome;
      if (watched) this.certainties.count(revision, gear, model, weights.certaintyEdges, request.item.opinion, outcome.certainty);
      if (this.loop.isCancelled(request)) {
        this.unserved.count('computing');
        out.push(perform({ type: 'ended', request, computed: true }));
      } else if (outcome.type === 'forward') this.#forward(outcome, now, out);
      else if (outcome.type === 'answer') {
        this.answered[model]++;
        if (!isTooLate(request, now)) answers.push({ type: 'result', request, result: outcome.result });
        // The same input would fail again, so this is reported as an invalid input, which nobody retries.
      } else if (!isTooLate(request, now))
        answers.push({ type: 'failure', request, reason: 'no-number', message: outcome.message });
    }
    this.measures.batch(models[model], requests.length, output.computeMs);
    return [perform({ type: 'answer', answers, batch: order })];
  }

  #forward({ request, model, item }: Outcome & { type: 'forward' }, now: number, out: DeviceEffect[]): void {
    const { device, router, phase, holds } = this.#options;
    const target = phase() === 'draining' && holds(model) ? device : router.route(model);
    if (target === undefined) {
      this.#stand(request, item, model, now, out);
      return;
    }
    // The work queued ahead of it there, as far as we know.
    const waitMs = target === device ? this.loop.backlogMs(now) : router.backlogMs(target);
    if (endsTooLate(now + waitMs + this.loop.singleMs(model, now), item.deadlineAt)) this.#expire({ ...request, item }, now, out);
    else if (target === device) this.#enqueue(model, { ...request, item: unpinned(item), enqueuedAt: now }, now, out);
    else if (!this.#sendTo(target, model, request.origin, item, out)) this.#stand(request, item, model, now, out);
  }

  /** The request cannot move on, so the answer of an earlier model stands, if there is one. */
  #stand(request: Queued, item: WorkItem, model: number, now: number, out: DeviceEffect[]): void {
    if (item.opinion === undefined) {
      this.#refuse(request, 'no-device', this.#noDevice(model), now, out);
      return;
    }
    const result = standingResult(this.#options, this.#options.router, item, item.opinion, 'gear', now);
    this.#answer({ type: 'result', request, result }, now, out);
  }

  /** Sends a request to a replica on another device. False when it does not fit into a message. */
  #sendTo(device: string, model: number, origin: string, item: WorkItem, out: DeviceEffect[]): boolean {
    const bytes = estimatedBytes(item);
    if (bytes > this.#largestItemBytes) return false;
    out.push(perform({ type: 'work', device, model: this.#options.models[model], origin, item, bytes }));
    return true;
  }

  /** The request will miss its deadline: sends the answer so far, if there is one, else an error. */
  #expire(request: Queued, now: number, out: DeviceEffect[]): void {
    const { item } = request;
    if (item.opinion === undefined) {
      const waited = `waited ${Math.round(now - item.arrivedAt)} ms`;
      this.#refuse(request, 'no-time', `${waited}; no time is left to compute it within the deadline`, now, out);
      return;
    }
    const result = standingResult(this.#options, this.#options.router, item, item.opinion, 'deadline', now);
    this.#answer({ type: 'result', request, result }, now, out);
  }

  #failed({ model, requests }: BatchOrder, error: unknown, now: number, out: DeviceEffect[]): void {
    const { code, message } = failureOf(error);
    // An invalid sample is the client's error, not ours to log.
    if (code !== 'INVALID_ARGUMENT')
      out.push(note('error', 'inference failed', { model: this.#options.models[model], batch: requests.length, err: error }));
    for (const request of requests) {
      if (this.loop.isCancelled(request)) this.#endCancelled('computing', request, out);
      else if (requests.length === 1)
        this.#refuse(request, code === 'INVALID_ARGUMENT' ? 'unfit' : 'inference', message, now, out);
    }
    this.#endTrial(requests, now, out);
  }

  /** A request that ran alone has not killed this device, so a heartbeat withdraws the blame. */
  #endTrial(requests: readonly Queued[], now: number, out: DeviceEffect[]): void {
    if (requests.some(({ item }) => item.alone)) this.#options.sendHeartbeat(now, out);
  }

  /** Ends a cancelled request. */
  #endCancelled(reason: 'waiting' | 'computing', request: Queued, out: DeviceEffect[]): void {
    this.unserved.count(reason);
    out.push(perform({ type: 'ended', request, computed: false }));
  }

  #refuse(
    request: Queued,
    reason: ReportedReason,
    message: string,
    now: number,
    out: DeviceEffect[],
    retryAfterMs?: number,
  ): void {
    this.#answer({ type: 'failure', request, reason, message, retryAfterMs }, now, out);
  }

  #answer(answer: Answer, now: number, out: DeviceEffect[]): void {
    if (!isTooLate(answer.request, now)) out.push(perform({ type: 'answer', answers: [answer] }));
  }
}

/**
 * So late that the frontend answers instead. The request is not reported as ended: after a redelivery the frontend may still hold it,
 * and would forget it without anyone having answered.
 */
function isTooLate({ item }: Queued, now: number): boolean {
  return now > item.deadlineAt + REPLICA_GRACE_MS;
}

/** Copies small samples, because a view would keep the whole frame in which the request arrived. */
function unpinned(item: WorkItem): WorkItem {
  if (item.sample.every(({ data }) => data.buffer.byteLength <= 2 * data.length)) return item;
  return { ...item, sample: item.sample.map(({ data, shape }) => ({ data: data.slice(), shape })) };
}
