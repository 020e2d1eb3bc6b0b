import { catchError, concat, defer, EMPTY, finalize, ignoreElements, mergeMap, type Observable, Subject, tap } from 'rxjs';
import type { Backend, BatchOutput } from '../../engine/backend/backend.ts';
import type { Clock } from '../../engine/clock.ts';
import { CascadeError } from '../../engine/errors.ts';
import type { Sample } from '../../engine/tensor/tensor.ts';
import { isProfiledSize, largestBatch, runtimeMs } from '../../plans/domain/profile/profile.ts';
import { endsTooLate } from '../../plans/policy/deadline.ts';
import { DeviceSpeed } from '../../plans/policy/device-speed.ts';
import type { DeviceState } from '../../plans/protocol/control-messages.ts';
import type { Router } from '../frontend/router.ts';
import { type Batch, Batcher, type QueueBounds, type Queued } from './batcher.ts';
import { HangWatch } from './hang-watch.ts';
import { LoneQueue } from './lone-queue.ts';
import type { InForce } from './model-replica.ts';
import type { DeviceWeights } from './weights/device-weights.ts';

export interface BatchLoopOptions {
  readonly device: string;
  readonly router: Router;
  readonly backend: Backend;
  readonly clock: Clock;
  /** Per model: those of the plan in force. */
  readonly weights: () => readonly DeviceWeights[];
  /** Whether the weights in force of a model are here. */
  readonly holds: (model: number) => boolean;
  readonly bounds: QueueBounds;
  /** How often `watch` is called. */
  readonly watchMs: number;
  readonly phase: () => DeviceState['phase'];
  /**
   * Decides what becomes of the requests, and queues here what moves on to another model of this device.
   * @param begun under what the batch was begun: another plan, of other weights, may have come into force since.
   * @returns writes the answers; it is called when the next batch has been started, so that the two overlap.
   */
  readonly onDone: (model: number, requests: readonly Queued[], output: BatchOutput, begun: BatchBegin) => () => void;
  /** A batch failed as a whole; its requests are run again one by one, and one that fails alone is given up. */
  readonly onFailed: (model: number, requests: readonly Queued[], error: unknown) => void;
  /**
   * A request that may have killed a device is about to run, alone.
   * @returns completes when it may.
   */
  readonly onTrial?: () => Observable<never>;
  /** The backend died in this batch, and takes the actor with it. */
  readonly onDied?: () => void;
  /** It has waited here until a plan came into force by which another device computes it. */
  readonly onStray: (model: number, request: Queued) => void;
  /** No time is left to compute this one. */
  readonly onExpired: (request: Queued, now: number) => void;
  /** What to compute when nothing waits; see SpareWork. */
  readonly spare?: SpareWork;
  /** A batch has been started. */
  readonly onStarted?: () => void;
  /** Called when no batch can run; `idle` tells whether that is still so. */
  readonly onIdle?: (idle: () => boolean) => void;
}

/** Under what a batch was begun. */
export interface BatchBegin extends InForce {
  readonly startedAt: number;
  readonly weights: DeviceWeights;
}

export interface Spare {
  readonly model: number;
  readonly sample: Sample;
  /** Of the sample, where samples differ in size. */
  readonly size: number | undefined;
}

/** Work that nobody waits for: one sample at a time, and only when no request waits. */
export interface SpareWork {
  /** The next sample to run, and the model; undefined when there is none, or no time to spare. */
  readonly next: (now: number) => Spare | undefined;
  /** It is done, or has failed: output is undefined then. */
  readonly onDone: (output: BatchOutput | undefined) => void;
  /** The device was occupied, by whatever, from one time to the other. */
  readonly onBusy: (from: number, to: number) => void;
}

/** Runs what waits on a device: one batch at a time, the next one as soon as the device is free and a queue triggers. */
export class BatchLoop {
  /** Emits when nothing waits and nothing runs. */
  readonly empty$: Observable<void>;
  readonly #options: BatchLoopOptions;
  /** Of this device, in the plans. */
  readonly #number: number;
  readonly #batcher: Batcher;
  readonly #hangWatch: HangWatch;
  readonly #speed = new DeviceSpeed();
  readonly #batches$ = new Subject<Batch | Spare>();
  readonly #empty$ = new Subject<void>();
  /** Requests that may have killed a device, and members of a batch that failed as a whole, so that a bad sample fails alone. */
  readonly #lone: LoneQueue;
  #lastWasLone = false;
  #running: readonly Queued[] = [];
  /** Those that their clients gave up while they ran. */
  readonly #givenUp = new WeakSet<Queued>();
  #busy = false;
  #busyMs = 0;
  #batchesRun = 0;
  #cancelWake: () => void = () => undefined;

  constructor(options: BatchLoopOptions) {
    const { device, router, weights, bounds, clock, watchMs } = options;
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
    this.#hangWatch = new HangWatch(watchMs, clock.now());
    this.empty$ = this.#empty$;
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

  /** How much slower this device is now than the plan counts with. */
  slowdown(): number {
    return this.#speed.slowdown(this.#options.clock.now());
  }

  /** Time of a batch as the plan in force counts with it. */
  plannedMs(model: number, batch: number, sampleSize?: number): number {
    const { router, weights } = this.#options;
    return router.plan.inferenceFactor[this.#number] * runtimeMs(weights()[model].profiled, batch, sampleSize);
  }

  /** Time of one request alone, at the measured speed. */
  singleMs(model: number): number {
    return this.slowdown() * this.plannedMs(model, 1);
  }

  /** Computing time of all that waits, at the measured speed. */
  backlogMs(): number {
    let ms = this.#batcher.backlogMs();
    for (let model = 0; model < this.#options.router.models.length; model++)
      ms += this.#lone.length(model) * this.plannedMs(model, 1);
    return this.slowdown() * ms;
  }

  /** False when the queue is full. Nothing starts before `pump`. */
  enqueue(model: number, request: Queued): boolean {
    if (!request.item.alone) return this.#batcher.enqueue(model, request);
    if (!this.#lone.hasRoomFor(request)) return false;
    this.#lone.push({ model, request });
    return true;
  }

  /** Drops those that are given up and wait; returns them. Those that run are marked: see `isGivenUp`. */
  cancel(givenUp: (request: Queued) => boolean): readonly Queued[] {
    for (const request of this.#running) if (givenUp(request)) this.#givenUp.add(request);
    return [...this.#lone.drop(givenUp), ...this.#batcher.drop(givenUp)];
  }

  /** Whether its client gave a request up while it ran: it goes no further. */
  isGivenUp(request: Queued): boolean {
    return this.#givenUp.has(request);
  }

  /** Drops all that waits; returns how many requests that were. */
  clear(): number {
    return this.#batcher.clear() + this.#lone.clear();
  }

  /** Errors when the backend is gone. */
  run(): Observable<never> {
    return this.#batches$.pipe(
      // One at a time by `#busy`: the next batch starts before this one has left the stream.
      mergeMap((work) => ('sample' in work ? this.#inferSpare(work) : this.#infer(work))),
      finalize(() => this.#cancelWake()),
    );
  }

  /** To be called every `watchMs`; see HangWatch. */
  watch(now: number, occupied: boolean): { readonly sinceLastMs: number; readonly hung: boolean } {
    return this.#hangWatch.tick(now, occupied);
  }

  /** Starts the next batch if the device is free and a queue triggers; else waits. */
  pump(): void {
    const { router, clock, onIdle } = this.#options;
    if (!this.#isFree) return;
    const now = clock.now();
    if (this.#start(now)) return;
    const wakeAt = this.#batcher.wakeAt(router.gear);
    if (wakeAt === undefined && this.#startSpare(now)) return;
    if (wakeAt !== undefined) this.#cancelWake = clock.after(wakeAt - now, () => this.pump());
    else this.#empty$.next();
    onIdle?.(this.#isIdle);
  }

  get #isFree(): boolean {
    const phase = this.#options.phase();
    return !this.#busy && phase !== 'loading' && phase !== 'left';
  }

  /** False when no queue triggers. */
  #start(now: number): boolean {
    this.#cancelWake();
    for (let batch = this.#next(now); batch !== undefined; batch = this.#next(now)) {
      for (const request of batch.expired) this.#options.onExpired(request, now);
      if (!this.#options.holds(batch.model)) for (const request of batch.requests) this.#options.onStray(batch.model, request);
      else if (batch.requests.length > 0) {
        this.#busy = true;
        this.#batches$.next(batch);
        this.#options.onStarted?.();
        return true;
      }
    }
    return false;
  }

  /** False when there is nothing to do in spare time, or no time to spare. */
  #startSpare(now: number): boolean {
    const work = this.#options.phase() === 'ready' ? this.#options.spare?.next(now) : undefined;
    if (work === undefined) return false;
    this.#busy = true;
    this.#batches$.next(work);
    return true;
  }

  #next(now: number): Batch | undefined {
    const { router, phase } = this.#options;
    // In turn, so that the others do not wait until all that run alone have run.
    const lone = this.#lastWasLone ? undefined : this.#nextLone(now);
    const batch = lone ?? this.#batcher.next(router.gear, now, phase() === 'draining', this.slowdown());
    this.#lastWasLone = lone !== undefined;
    return batch ?? this.#nextLone(now);
  }

  #nextLone(now: number): Batch | undefined {
    const lone = this.#lone.shift();
    if (lone === undefined) return undefined;
    const { model, request } = lone;
    return endsTooLate(now + this.slowdown() * this.plannedMs(model, 1, request.size), request.item.deadlineAt)
      ? { model, requests: [], expired: [request] }
      : { model, requests: [request], expired: [] };
  }

  readonly #isIdle = (): boolean => !this.#busy;

  #infer({ model, requests }: Batch): Observable<never> {
    const { backend, router, clock, onDone, onFailed, onTrial, onDied } = this.#options;
    const weights = this.#options.weights()[model];
    const { revision, gear, plan } = router;
    const sampleSize = largestSize(requests);
    const plannedMs = this.plannedMs(model, requests.length, sampleSize);
    const startedAt = clock.now();
    const samples = requests.map((request) => request.item.sample);
    const isTrial = requests.length === 1 && requests[0].item.alone;
    this.#running = requests;
    this.#hangWatch.begin(Math.max(1, this.slowdown()) * plannedMs);
    const run$ = defer(() => backend.run(weights.key, samples, outputsWanted(requests)));
    return (isTrial && onTrial !== undefined ? concat(onTrial(), run$) : run$).pipe(
      catchError((error) => {
        // A backend that is gone takes the actor with it: it starts again with a new one, and frontends send again.
        if (error instanceof CascadeError && error.code === 'UNAVAILABLE') {
          onDied?.();
          throw error;
        }
        this.#ended(startedAt);
        onFailed(model, requests, error);
        const again = requests.length > 1 ? requests.filter((request) => !this.isGivenUp(request)) : [];
        for (const request of again) this.#lone.push({ model, request });
        this.pump();
        return EMPTY;
      }),
      tap((output) => {
        this.#ended(startedAt);
        // The time of larger samples than were profiled is a guess, and says nothing of the device.
        if (isProfiledSize(weights.profiled, sampleSize)) this.#speed.observe(plannedMs, output.computeMs, clock.now());
        const writeAnswers = onDone(model, requests, output, { revision, gear, plan, startedAt, weights });
        if (this.#isFree) this.#start(clock.now());
        writeAnswers();
        this.pump();
      }),
      ignoreElements(),
    );
  }

  #inferSpare({ model, sample, size }: Spare): Observable<never> {
    const { backend, weights, clock } = this.#options;
    const plannedMs = this.plannedMs(model, 1, size);
    const startedAt = clock.now();
    this.#hangWatch.begin(Math.max(1, this.slowdown()) * plannedMs);
    const done = (output: BatchOutput | undefined): void => {
      this.#ended(startedAt);
      if (output !== undefined) this.#speed.observe(plannedMs, output.computeMs, clock.now());
      this.#options.spare?.onDone(output);
      this.pump();
    };
    return backend.run(weights()[model].key, [sample]).pipe(
      catchError((error) => {
        if (error instanceof CascadeError && error.code === 'UNAVAILABLE') {
          // None of the requests here is to blame.
          this.#options.onDied?.();
          throw error;
        }
        done(undefined);
        return EMPTY;
      }),
      tap(done),
      ignoreElements(),
    );
  }

  #ended(startedAt: number): void {
    const now = this.#options.clock.now();
    this.#busy = false;
    this.#running = [];
    this.#hangWatch.end();
    this.#busyMs += now - startedAt;
    this.#options.spare?.onBusy(startedAt, now);
    this.#batchesRun++;
  }
}

/** Undefined where all samples are of one size. */
function largestSize(requests: readonly Queued[]): number | undefined {
  return requests[0].size === undefined ? undefined : requests.reduce((largest, { size = 0 }) => Math.max(largest, size), 0);
}

/** Names of all outputs that some request of a batch asks for. */
function outputsWanted(requests: readonly Queued[]): readonly string[] {
  if (requests.every(({ item }) => item.wantOutputs === undefined)) return NO_OUTPUTS;
  return [...new Set(requests.flatMap(({ item }) => item.wantOutputs ?? []))];
}

const NO_OUTPUTS: readonly string[] = [];
