import { perform } from '../../engine/actor/effect.ts';
import type { BatchOutput } from '../../engine/backend/backend.ts';
import type { Sample } from '../../engine/tensor/tensor.ts';
import { isProfiledSize, largestBatch, runtimeMs } from '../../plans/domain/profile/profile.ts';
import { endsTooLate } from '../../plans/policy/deadline.ts';
import { DeviceSpeed } from '../../plans/policy/device-speed.ts';
import type { DeviceState } from '../../plans/protocol/control-messages.ts';
import type { Router } from '../frontend/router.ts';
import { type Batch, Batcher, type QueueBounds, type Queued } from './batcher.ts';
import type { DeviceEffect } from './device-effects.ts';
import { HangWatch } from './hang-watch.ts';
import { LoneQueue } from './lone-queue.ts';
import type { BatchOrder } from './orders.ts';
import type { DeviceWeights } from './weights/device-weights.ts';

/** What a batch loop needs from its device. Each function adds its effects to `out`. */
interface BatchOwner {
  readonly phase: () => DeviceState['phase'];
  /**
   * Decides what happens to the requests, and queues those that move on to another model of this device.
   * @returns effects for after the next batch has started, so that the two overlap; they lead to another call of `pump`.
   */
  readonly onDone: (order: BatchOrder, output: BatchOutput, now: number, out: DeviceEffect[]) => readonly DeviceEffect[];
  /** A batch failed as a whole. Its requests run again one by one, and a request that fails alone is refused. */
  readonly onFailed: (order: BatchOrder, error: unknown, now: number, out: DeviceEffect[]) => void;
  /** A newer plan assigns this request to another device. */
  readonly onStray: (model: number, request: Queued, now: number, out: DeviceEffect[]) => void;
  /** No time is left to compute this request. */
  readonly onExpired: (request: Queued, now: number, out: DeviceEffect[]) => void;
  /** A request that may have killed a device is about to run alone, after the effects added here are done. */
  readonly onTrial: (now: number, out: DeviceEffect[]) => void;
  /** A batch has started. */
  readonly onStarted: (now: number, out: DeviceEffect[]) => void;
}

export interface BatchLoopOptions extends BatchOwner {
  readonly device: string;
  readonly router: Router;
  /** Per model: the weights of the plan in force. */
  readonly weights: () => readonly DeviceWeights[];
  /** Whether this device holds the weights in force for a model. */
  readonly holds: (model: number) => boolean;
  readonly bounds: QueueBounds;
  /** How often `watch` is called. */
  readonly watchMs: number;
  /** What to compute when nothing waits. */
  readonly spare?: SpareWork | undefined;
}

export interface Spare {
  readonly model: number;
  readonly sample: Sample;
  /** Size of the sample, if samples differ in size. */
  readonly size: number | undefined;
}

/** Work that nobody waits for: one sample at a time, and only when no request is waiting. */
export interface SpareWork {
  /** The next sample and its model; undefined when there is none, or no time to spare. */
  readonly next: (now: number) => Spare | undefined;
  /** The sample is done, or has failed if `output` is undefined. */
  readonly onDone: (output: BatchOutput | undefined, out: DeviceEffect[]) => void;
  /** The device was busy between these times. */
  readonly onBusy: (from: number, to: number) => void;
}

/**
 * The batcher's core: decides which of the waiting requests run next, one batch at a time, as soon as the device is free and a queue
 * triggers. Runs for each request, so its state is mutable. Each call adds its effects to `out`.
 */
export class BatchLoop {
  readonly #options: BatchLoopOptions;
  /** Number of this device in the plans. */
  readonly #number: number;
  readonly #batcher: Batcher;
  readonly #hangWatch: HangWatch;
  readonly #speed = new DeviceSpeed();
  /** Requests that may have killed a device, and members of a batch that failed as a whole, so that a bad sample fails alone. */
  readonly #lone: LoneQueue;
  #lastWasLone = false;
  #running: readonly Queued[] = [];
  /** Requests that were cancelled while they ran. */
  readonly #cancelled = new WeakSet<Queued>();
  #spare: { readonly startedAt: number; readonly plannedMs: number } | undefined;
  #busy = false;
  #busyMs = 0;
  #batchesRun = 0;
  #wakes = false;

  constructor(options: BatchLoopOptions, now: number) {
    const { device, router, weights, bounds, watchMs } = options;
    this.#options = options;
    this.#number = router.devices.indexOf(device);
    this.#batcher = new Batcher(
      router.models.length,
      (model) => largestBatch(weights()[model].profiled),
      { number: this.#number, of: router.devices.length },
      bounds,
      (model, batch, sampleSize) => this.plannedMs(model, batch, sampleSize),
    );
    this.#lone = new LoneQueue(router.models.length, bounds);
    this.#hangWatch = new HangWatch(watchMs, now);
  }

  /** Time spent in inferences that have ended. */
  get busyMs(): number {
    return this.#busyMs;
  }

  get batchesRun(): number {
    return this.#batchesRun;
  }

  /** Requests in the queue of a model. */
  length(model: number): number {
    return this.#batcher.length(model);
  }

  /** Whether anything waits for a model, in its queue or to run alone. */
  hasWork(model: number): boolean {
    return this.#batcher.length(model) + this.#lone.length(model) > 0;
  }

  /** The batch that runs. */
  get running(): readonly Queued[] {
    return this.#running;
  }

  /** How much slower this device is now than the plan assumes. */
  slowdown(now: number): number {
    return this.#speed.slowdown(now);
  }

  /** Time of a batch according to the plan in force. */
  plannedMs(model: number, batch: number, sampleSize?: number): number {
    const { router, weights } = this.#options;
    return router.plan.inferenceFactor[this.#number] * runtimeMs(weights()[model].profiled, batch, sampleSize);
  }

  /** Time of one request alone, at the measured speed. */
  singleMs(model: number, now: number): number {
    return this.slowdown(now) * this.plannedMs(model, 1);
  }

  /** Computing time of all queued work, at the measured speed. */
  backlogMs(now: number): number {
    let ms = this.#batcher.backlogMs();
    for (let model = 0; model < this.#options.router.models.length; model++)
      ms += this.#lone.length(model) * this.plannedMs(model, 1);
    return this.slowdown(now) * ms;
  }

  /** False when the queue is full. Nothing starts before `pump`. */
  enqueue(model: number, request: Queued): boolean {
    if (!request.item.alone) return this.#batcher.enqueue(model, request);
    if (!this.#lone.hasRoomFor(request)) return false;
    this.#lone.push({ model, request });
    return true;
  }

  /** Drops and returns cancelled requests that are waiting. Running ones are marked: see `isCancelled`. */
  cancel(isCancelled: (request: Queued) => boolean): readonly Queued[] {
    for (const request of this.#running) if (isCancelled(request)) this.#cancelled.add(request);
    return [...this.#lone.drop(isCancelled), ...this.#batcher.drop(isCancelled)];
  }

  /** Whether a request was cancelled while it ran; it does not move on. */
  isCancelled(request: Queued): boolean {
    return this.#cancelled.has(request);
  }

  /** Drops all waiting requests; returns their number. */
  clear(): number {
    return this.#batcher.clear() + this.#lone.clear();
  }

  /** Whether nothing runs. */
  get isIdle(): boolean {
    return !this.#busy;
  }

  /** Call this every `watchMs`; see HangWatch. */
  watch(now: number, occupied: boolean): { readonly sinceLastMs: number; readonly hung: boolean } {
    return this.#hangWatch.tick(now, occupied);
  }

  /** Starts the next batch if the device is free and a queue triggers; otherwise waits. */
  pump(now: number, out: DeviceEffect[]): void {
    if (!this.#isFree || this.#start(now, out)) return;
    const wakeAt = this.#batcher.wakeAt(this.#options.router.gear);
    if (wakeAt === undefined && this.#startSpare(now, out)) return;
    if (wakeAt !== undefined) this.#wake(wakeAt, out);
    else if (this.#options.phase() === 'draining') out.push(perform({ type: 'drained' }));
    out.push(perform({ type: 'idle' }));
  }

  /** The inference of a batch has ended. */
  done(order: BatchOrder, output: BatchOutput, now: number, out: DeviceEffect[]): void {
    const { weights, startedAt, plannedMs, sampleSize } = order;
    this.#ended(startedAt, now);
    // The planned time of samples larger than the profiled ones is a guess, so it says nothing about the device's speed.
    if (isProfiledSize(weights.profiled, sampleSize)) this.#speed.observe(plannedMs, output.computeMs, now);
    const later = this.#options.onDone(order, output, now, out);
    if (this.#isFree) this.#start(now, out);
    out.push(...later);
  }

  failed(order: BatchOrder, error: unknown, now: number, out: DeviceEffect[]): void {
    const { model, requests, startedAt } = order;
    this.#ended(startedAt, now);
    this.#options.onFailed(order, error, now, out);
    const again = requests.length > 1 ? requests.filter((request) => !this.isCancelled(request)) : [];
    for (const request of again) this.#lone.push({ model, request });
    this.pump(now, out);
  }

  /** An inference in spare time has ended; without an output it has failed. */
  spareDone(output: BatchOutput | undefined, now: number, out: DeviceEffect[]): void {
    const spare = this.#spare;
    if (spare === undefined) return;
    this.#spare = undefined;
    this.#ended(spare.startedAt, now);
    if (output !== undefined) this.#speed.observe(spare.plannedMs, output.computeMs, now);
    this.#options.spare?.onDone(output, out);
    this.pump(now, out);
  }

  get #isFree(): boolean {
    const phase = this.#options.phase();
    return !this.#busy && phase !== 'loading' && phase !== 'left';
  }

  /** False when no queue triggers. */
  #start(now: number, out: DeviceEffect[]): boolean {
    const { holds, onExpired, onStray, onTrial, onStarted } = this.#options;
    if (this.#wakes) this.#wake(undefined, out);
    for (let batch = this.#next(now); batch !== undefined; batch = this.#next(now)) {
      for (const request of batch.expired) onExpired(request, now, out);
      if (!holds(batch.model)) for (const request of batch.requests) onStray(batch.model, request, now, out);
      else if (batch.requests.length > 0) {
        const order = this.#begin(batch, now);
        if (order.isTrial) onTrial(now, out);
        out.push(perform({ type: 'run', order }));
        onStarted(now, out);
        return true;
      }
    }
    return false;
  }

  #wake(at: number | undefined, out: DeviceEffect[]): void {
    this.#wakes = at !== undefined;
    out.push(perform({ type: 'wake', at }));
  }

  #begin({ model, requests }: Batch, now: number): BatchOrder {
    const { revision, gear, plan } = this.#options.router;
    const sampleSize = largestSize(requests);
    const plannedMs = this.plannedMs(model, requests.length, sampleSize);
    this.#busy = true;
    this.#running = requests;
    this.#hangWatch.begin(Math.max(1, this.slowdown(now)) * plannedMs);
    return {
      type: 'batch',
      model,
      weights: this.#options.weights()[model],
      requests,
      samples: requests.map((request) => request.item.sample),
      outputs: outputsWanted(requests),
      isTrial: requests.length === 1 && requests[0].item.alone,
      startedAt: now,
      plannedMs,
      sampleSize,
      revision,
      gear,
      plan,
    };
  }

  /** False when there is nothing to do in spare time, or no spare time. */
  #startSpare(now: number, out: DeviceEffect[]): boolean {
    const work = this.#options.phase() === 'ready' ? this.#options.spare?.next(now) : undefined;
    if (work === undefined) return false;
    const { model, sample, size } = work;
    const plannedMs = this.plannedMs(model, 1, size);
    this.#busy = true;
    this.#spare = { startedAt: now, plannedMs };
    this.#hangWatch.begin(Math.max(1, this.slowdown(now)) * plannedMs);
    out.push(perform({ type: 'run', order: { type: 'spare', key: this.#options.weights()[model].key, sample } }));
    return true;
  }

  #next(now: number): Batch | undefined {
    const { router, phase } = this.#options;
    // Alternately, so that the queues need not wait for all requests that run alone.
    const lone = this.#lastWasLone ? undefined : this.#nextLone(now);
    const batch = lone ?? this.#batcher.next(router.gear, now, phase() === 'draining', this.slowdown(now));
    this.#lastWasLone = lone !== undefined;
    return batch ?? this.#nextLone(now);
  }

  #nextLone(now: number): Batch | undefined {
    const lone = this.#lone.shift();
    if (lone === undefined) return undefined;
    const { model, request } = lone;
    return endsTooLate(now + this.slowdown(now) * this.plannedMs(model, 1, request.size), request.item.deadlineAt)
      ? { model, requests: [], expired: [request] }
      : { model, requests: [request], expired: [] };
  }

  #ended(startedAt: number, now: number): void {
    this.#busy = false;
    this.#running = [];
    this.#hangWatch.end();
    this.#busyMs += now - startedAt;
    this.#options.spare?.onBusy(startedAt, now);
    this.#batchesRun++;
  }
}

/** Undefined when all samples have the same size. */
function largestSize(requests: readonly Queued[]): number | undefined {
  return requests[0].size === undefined ? undefined : requests.reduce((largest, { size = 0 }) => Math.max(largest, size), 0);
}

/** Names of all outputs that some request of a batch asks for. */
function outputsWanted(requests: readonly Queued[]): readonly string[] {
  if (requests.every(({ item }) => item.wantOutputs === undefined)) return NO_OUTPUTS;
  return [...new Set(requests.flatMap(({ item }) => item.wantOutputs ?? []))];
}

const NO_OUTPUTS: readonly string[] = [];
