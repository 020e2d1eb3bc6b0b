import {
  catchError,
  concat,
  concatMap,
  defer,
  EMPTY,
  finalize,
  from,
  ignoreElements,
  last,
  merge,
  mergeMap,
  type Observable,
  Subject,
  takeUntil,
  tap,
} from 'rxjs';
import type { Actor, ActorContext } from '../engine/actor/actor.ts';
import type { Backend, BatchOutput, ModelFile } from '../engine/backend/backend.ts';
import { reconnected$ } from '../engine/bus/reconnected.ts';
import { every } from '../engine/clock.ts';
import { CascadeError, messageOf } from '../engine/errors.ts';
import { fixedBytes, type Sample, type TensorSpec } from '../engine/tensor.ts';
import { decode, decodeWorkFrame, encode } from '../engine/wire/codec.ts';
import type { DeviceState, DoneFrame, GearMessage, Result, WorkItem } from '../engine/wire/messages.ts';
import type { Subjects } from '../engine/wire/subjects.ts';
import type { CompiledPlan } from '../plans/policy/compiled-plan.ts';
import { REPLICA_GRACE_MS, sendFailure, sendResult } from './answers.ts';
import { type Batch, Batcher, type Queued } from './batcher.ts';
import { finishBatch, type Outcome, type ReplicaOptions, standingResult } from './model-replica.ts';
import { Outbox } from './outbox.ts';
import { Router } from './router.ts';

export interface DeviceOptions extends ReplicaOptions {
  readonly device: string;
  readonly host: string;
  readonly subjects: Subjects;
  readonly plan: CompiledPlan;
  readonly specs: readonly TensorSpec[];
  /** Files of all models of the family, in its order; those placed here are loaded. */
  readonly files: readonly ModelFile[];
  /** Per model: batch sizes to run before the replica is called ready, ascending, with their profiled times. */
  readonly profiled: readonly { readonly batch: readonly number[]; readonly ms: readonly number[] }[];
  readonly createBackend: () => Backend;
  /** 99th percentile of the event loop's delay since the last call. */
  readonly loopDelayMsP99: () => number;
  /** Called when all replicas are ready. */
  readonly onReady?: () => void;
  readonly maxQueue?: number;
}

const HEARTBEAT_INTERVAL_MS = 100;
/** Requests in one replica's queue beyond which new ones are refused. */
const MAX_QUEUE = 50_000;
/**
 * Frontends need not know at once what has ended: one note for some batches keeps them, and the server, from being woken by
 * every one of them while the next requests are on their way.
 */
const DONE_DELAY_MS = 5;
/** Ragged axes of the made-up samples that warm a replica up. */
const WARM_UP_LENGTH = 16;
/** A replica slower than this against its profile is reported: the plan will not hold on it. */
const SLOWER_THAN_PROFILE = 2;

/** Hosts a device's replicas: queues their requests, runs one batch at a time, answers or passes on. */
export function deviceActor(options: DeviceOptions): Actor {
  return {
    name: `device-${options.device}`,
    description: 'queues requests for its model replicas and runs them in batches',
    behaviour: (context) => new Device(options, context).run(),
  };
}

class Device {
  readonly #options: DeviceOptions;
  readonly #context: ActorContext;
  readonly #backend: Backend;
  readonly #router: Router;
  readonly #batcher: Batcher;
  readonly #outbox: Outbox;
  readonly #placed: readonly number[];
  #incarnation: string;
  readonly #startedAt: number;
  /** Batches for the backend; one runs at a time. */
  readonly #batches$ = new Subject<Batch>();
  readonly #idle$ = new Subject<void>();
  /** Members of a batch that failed as a whole: run one by one, so that a bad sample fails alone. */
  readonly #suspects: { model: number; request: Queued }[] = [];
  readonly #done = new Map<string, { finished: number[]; moved: Map<string, number[]> }>();
  readonly #answered: number[];
  #phase: DeviceState['phase'] = 'loading';
  #busy = false;
  #busyMs = 0;
  #batchesRun = 0;
  #cancelWake: () => void = () => undefined;
  #doneScheduled = false;

  constructor(options: DeviceOptions, context: ActorContext) {
    const { plan } = options;
    const number = plan.devices.indexOf(options.device);
    this.#options = options;
    this.#context = context;
    this.#backend = options.createBackend();
    this.#router = new Router(plan);
    this.#outbox = new Outbox(context.bus, context.clock, options.specs);
    this.#placed = plan.models.flatMap((_, model) => (plan.placed[model * plan.devices.length + number] === 1 ? [model] : []));
    const largest = options.profiled.map(({ batch }) => batch[batch.length - 1]);
    this.#batcher = new Batcher(largest, { number, of: plan.devices.length }, options.maxQueue ?? MAX_QUEUE);
    this.#answered = plan.models.map(() => 0);
    this.#startedAt = context.clock.now();
    this.#incarnation = this.#newIncarnation();
  }

  run(): Observable<unknown> {
    const { bus, clock, stopping$ } = this.#context;
    const { subjects, device } = this.#options;
    const left$ = new Subject<void>();
    const ended$ = new Subject<void>();
    const working$ = merge(
      bus.messages$(subjects.deviceWork(device)).pipe(tap(({ subject, data }) => this.#take(subject, data))),
      this.#batches$.pipe(mergeMap((batch) => this.#infer(batch), 1)),
      this.#idle$.pipe(tap(() => this.#phase === 'draining' && left$.next())),
      stopping$.pipe(tap(() => this.#enter('draining'))),
      // Last, and after the server knows of the subscriptions: work comes as soon as frontends read `ready`.
      defer(() => bus.flush()).pipe(
        takeUntil(stopping$),
        tap(() => {
          this.#enter('ready');
          this.#options.onReady?.();
        }),
      ),
    );
    const telling$ = merge(
      bus.messages$(subjects.gear).pipe(tap(({ data }) => this.#shift(decode<GearMessage>(data)))),
      bus.messages$(subjects.allState).pipe(tap(({ data }) => this.#router.observe(decode<DeviceState>(data), clock.now()))),
      // What was sent to us meanwhile is gone, and so is what we said: to the frontends we are as good as restarted.
      reconnected$(bus).pipe(
        tap(() => {
          this.#incarnation = this.#newIncarnation();
          this.#router.doubt(clock.now());
        }),
      ),
      every(clock, HEARTBEAT_INTERVAL_MS).pipe(
        tap(() => {
          this.#router.sweep(clock.now());
          this.#tell();
        }),
      ),
    );
    const loading$ = defer(() => this.#load()).pipe(takeUntil(stopping$));
    // What is still sent here after `left` goes to nobody; the frontends, told of it, send it again elsewhere.
    const leaving$ = defer(() => {
      this.#enter('left');
      return from(bus.flush());
    });
    const life$ = concat(
      loading$,
      defer(() => working$.pipe(takeUntil(left$))),
      leaving$,
    );
    return merge(telling$.pipe(takeUntil(ended$)), life$.pipe(tap({ complete: () => ended$.next() }))).pipe(
      finalize(() => {
        this.#phase = 'left';
        this.#cancelWake();
        this.#backend.close().catch((error) => this.#context.log.error({ reason: messageOf(error) }, 'backend did not close'));
      }),
    );
  }

  /** Loads the placed replicas and runs each at each profiled batch size: ready means warmed up. */
  #load(): Observable<unknown> {
    const { files, profiled, specs, models } = this.#options;
    const blank: Sample = specs.map(blankTensor);
    return from(this.#placed).pipe(
      concatMap((model) =>
        concat(
          this.#backend.load(files[model]),
          // Nothing gets warm in an emulated device, and its batches may take seconds.
          from(
            this.#backend.emulated ? [] : profiled[model].batch.map((size, i) => ({ size, expectedMs: profiled[model].ms[i] })),
          ).pipe(concatMap(({ size, expectedMs }) => this.#warmUp(model, size, expectedMs, blank))),
          defer(() => {
            this.#context.log.info({ model: models[model] }, 'replica is ready');
            return [];
          }),
        ),
      ),
    );
  }

  /** The first run of a size allocates; the second is compared with the profile. */
  #warmUp(model: number, size: number, expectedMs: number, blank: Sample): Observable<unknown> {
    const { clock, log } = this.#context;
    const batch = new Array<Sample>(size).fill(blank);
    const name = this.#options.models[model];
    let startedAt = 0;
    return concat(
      this.#backend.run(name, batch),
      defer(() => {
        startedAt = clock.now();
        return this.#backend.run(name, batch);
      }),
    ).pipe(
      last(),
      tap(() => {
        const tookMs = clock.now() - startedAt;
        if (tookMs > 5 && tookMs > SLOWER_THAN_PROFILE * expectedMs) {
          log.warn(
            { model: name, batch: size, tookMs, expectedMs },
            'slower than profiled; run `cascade profile` again on this machine',
          );
        }
      }),
    );
  }

  #newIncarnation(): string {
    return `${process.pid}-${Math.floor(this.#context.clock.now())}`;
  }

  #take(subject: string, data: Uint8Array): void {
    const now = this.#context.clock.now();
    const model = this.#options.models.indexOf(subject.slice(subject.lastIndexOf('.') + 1));
    const frame = decodeWorkFrame(data, this.#options.specs, now);
    for (const item of frame.items) this.#enqueue(model, { item, origin: frame.origin, enqueuedAt: now });
    this.#pump();
  }

  #enqueue(model: number, request: Queued): void {
    if (!this.#placed.includes(model)) {
      this.#refuse(
        request,
        'NOT_FOUND',
        `device ${this.#options.device} holds no replica of the model that this request was sent to`,
      );
    } else if (!this.#batcher.enqueue(model, request)) {
      this.#refuse(
        request,
        'RESOURCE_EXHAUSTED',
        `the queue of ${this.#options.models[model]} on ${this.#options.device} is full; try again later`,
      );
    }
  }

  #shift(message: GearMessage): void {
    const before = this.#router.gear;
    this.#router.apply(message);
    // Leftovers of models that the new gear does not use run at once; shorter minimum queue lengths may trigger.
    if (this.#router.gear !== before) this.#pump();
  }

  /** Starts the next batch if the device is free; else, or if no queue triggers, waits. */
  #pump(): void {
    if (this.#busy || this.#phase === 'loading' || this.#phase === 'left') return;
    this.#cancelWake();
    const now = this.#context.clock.now();
    const suspect = this.#suspects.shift();
    const batch =
      suspect !== undefined
        ? { model: suspect.model, requests: [suspect.request], expired: [] }
        : this.#batcher.next(this.#router.gear, now, this.#phase === 'draining');
    if (batch === undefined) {
      const wakeAt = this.#batcher.wakeAt(this.#router.gear);
      if (wakeAt !== undefined) this.#cancelWake = this.#context.clock.after(wakeAt - now, () => this.#pump());
      else this.#idle$.next();
      return;
    }
    for (const request of batch.expired) this.#expire(request, now);
    if (batch.requests.length === 0) {
      this.#pump();
      return;
    }
    this.#busy = true;
    this.#batches$.next(batch);
  }

  #infer({ model, requests }: Batch): Observable<never> {
    const { clock } = this.#context;
    const startedAt = clock.now();
    const samples = requests.map((request) => request.item.sample);
    return this.#backend.run(this.#options.models[model], samples).pipe(
      catchError((error) => {
        // A backend that is gone takes the actor with it: it starts again with a new one, and frontends send again.
        if (error instanceof CascadeError && error.code === 'UNAVAILABLE') throw error;
        this.#isolate(model, requests, error);
        return EMPTY;
      }),
      tap((output) => this.#finish(model, requests, output, startedAt)),
      ignoreElements(),
      finalize(() => {
        this.#busy = false;
        this.#busyMs += clock.now() - startedAt;
        this.#batchesRun++;
        // After this batch has left the stream, so that the next one is not queued behind it.
        clock.after(0, () => this.#pump());
      }),
    );
  }

  #finish(model: number, requests: readonly Queued[], output: BatchOutput, startedAt: number): void {
    const outcomes = finishBatch(this.#options, this.#router.gear, model, requests, output, startedAt, this.#context.clock.now());
    for (const outcome of outcomes) {
      if (outcome.type === 'forward') this.#forward(outcome);
      else {
        this.#answered[model]++;
        this.#answer(outcome.request, outcome.result);
      }
    }
  }

  #forward({ request, model, item }: Outcome & { type: 'forward' }): void {
    const { clock } = this.#context;
    const { subjects, models, device } = this.#options;
    const target = this.#phase === 'draining' && this.#placed.includes(model) ? device : this.#router.route(model);
    if (target === device) {
      this.#enqueue(model, { item, origin: request.origin, enqueuedAt: clock.now() });
      return;
    }
    if (target === undefined || !this.#outbox.add(subjects.work(target, models[model]), request.origin, item)) {
      this.#answer(request, standingResult(this.#options, this.#router.gear, item, item.opinion!, 'gear', clock.now()));
      return;
    }
    const { moved } = this.#note(request.origin);
    const seqs = moved.get(target);
    if (seqs === undefined) moved.set(target, [item.seq]);
    else seqs.push(item.seq);
  }

  /** Past its deadline: the answer so far, if there is one, else an error. */
  #expire(request: Queued, now: number): void {
    const { item } = request;
    if (item.opinion === undefined) {
      this.#refuse(
        request,
        'DEADLINE_EXCEEDED',
        `waited ${Math.round(now - item.arrivedAt)} ms, past the deadline, without being computed`,
      );
      return;
    }
    this.#answer(request, standingResult(this.#options, this.#router.gear, item, item.opinion, 'deadline', now));
  }

  #answer({ item, origin }: Queued, result: Result): void {
    if (this.#isTooLate(item) || sendResult(this.#context.bus, item.reply, result, item.json)) {
      this.#note(origin).finished.push(item.seq);
    }
  }

  #isolate(model: number, requests: readonly Queued[], error: unknown): void {
    this.#context.log.error({ model: this.#options.models[model], batch: requests.length, err: error }, 'inference failed');
    if (requests.length === 1) this.#refuse(requests[0], 'INTERNAL', messageOf(error));
    else for (const request of requests) this.#suspects.push({ model, request });
  }

  #refuse({ item, origin }: Queued, code: CascadeError['code'], message: string): void {
    if (this.#isTooLate(item) || sendFailure(this.#context.bus, item.reply, item.id, code, message, item.json)) {
      this.#note(origin).finished.push(item.seq);
    }
  }

  /** The frontend answers, or has answered. */
  #isTooLate(item: WorkItem): boolean {
    return this.#context.clock.now() > item.deadlineAt + REPLICA_GRACE_MS;
  }

  /** What the origin frontend is told next. */
  #note(origin: string): { finished: number[]; moved: Map<string, number[]> } {
    let note = this.#done.get(origin);
    if (note === undefined) {
      note = { finished: [], moved: new Map() };
      this.#done.set(origin, note);
    }
    if (!this.#doneScheduled) {
      this.#doneScheduled = true;
      this.#context.clock.after(DONE_DELAY_MS, () => this.#sendDone());
    }
    return note;
  }

  #sendDone(): void {
    this.#doneScheduled = false;
    for (const [origin, { finished, moved }] of this.#done) {
      const frame: DoneFrame = {
        device: this.#options.device,
        finished,
        moved: [...moved].map(([device, seqs]) => ({ device, seqs })),
      };
      this.#context.bus.publish(this.#options.subjects.done(origin), encode(frame));
    }
    this.#done.clear();
  }

  #enter(phase: DeviceState['phase']): void {
    this.#phase = phase;
    // Everything said before must reach the frontends before this device is gone.
    this.#outbox.flush();
    this.#sendDone();
    this.#tell();
    // Draining: what waits for company runs now. Ready: work may have come while the server was told of the subscriptions.
    if (phase !== 'left') this.#pump();
  }

  #tell(): void {
    const { device, host, subjects, models, loopDelayMsP99, revision } = this.#options;
    const state: DeviceState = {
      device,
      host,
      phase: this.#phase,
      incarnation: this.#incarnation,
      pid: process.pid,
      revision,
      gear: this.#router.gear.index,
      queues: Object.fromEntries(this.#placed.map((model) => [models[model], this.#batcher.length(model)])),
      answered: Object.fromEntries(this.#placed.map((model) => [models[model], this.#answered[model]])),
      completedBatches: this.#batchesRun,
      busyMs: this.#busyMs,
      upMs: this.#context.clock.now() - this.#startedAt,
      loopDelayMsP99: loopDelayMsP99(),
      emulated: this.#backend.emulated,
    };
    this.#context.bus.publish(subjects.state(device), encode(state));
  }
}

function blankTensor(spec: TensorSpec): Sample[number] {
  const shape = spec.shape.map((dimension) => dimension ?? WARM_UP_LENGTH);
  const bytes = fixedBytes({ ...spec, shape });
  return { data: new Uint8Array(bytes ?? 0), shape };
}
