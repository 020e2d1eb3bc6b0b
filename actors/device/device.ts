import {
  catchError,
  concat,
  defer,
  EMPTY,
  finalize,
  from,
  ignoreElements,
  merge,
  type Observable,
  Subject,
  takeUntil,
  tap,
} from 'rxjs';
import type { Actor, ActorContext } from '../../engine/actor/actor.ts';
import { Channels } from '../../engine/actor/channel.ts';
import type { Backend, BatchOutput } from '../../engine/backend/backend.ts';
import { reconnected$ } from '../../engine/bus/reconnected.ts';
import { every } from '../../engine/clock.ts';
import { DeviceTakenError, messageOf } from '../../engine/errors.ts';
import type { Sample, TensorSpec } from '../../engine/tensor/tensor.ts';
import type { Tracing } from '../../engine/tracing/tracing.ts';
import { companyRule, sampleSize } from '../../plans/policy/company.ts';
import { endsTooLate, REPLICA_GRACE_MS } from '../../plans/policy/deadline.ts';
import { LOAD_INTERVAL_MS, URGENT_INTERVAL_MS } from '../../plans/policy/gear-choice.ts';
import { DEVICE_CANCEL, GEAR, PREPARED, STATE } from '../../plans/protocol/channels.ts';
import { decodeWorkFrame } from '../../plans/protocol/codec.ts';
import type { CancelFrame, DeviceState, GearMessage, PreparedMessage, Suspects } from '../../plans/protocol/control-messages.ts';
import type { Result, WorkItem } from '../../plans/protocol/messages.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';
import { type ToldReason, UNSERVED, Unserved } from '../../plans/protocol/unserved.ts';
import { publishEvent } from '../controller/events.ts';
import { askForPlan } from '../controller/kept-plans.ts';
import { failureOf, sendFailure, sendResult } from '../frontend/answers.ts';
import { Outbox } from '../frontend/outbox.ts';
import { DEVICE_LOST_AFTER_MS, type RevisedPlan, Router } from '../frontend/router.ts';
import { type BatchBegin, BatchLoop } from './batch-loop.ts';
import { recordBatch } from './batch-spans.ts';
import type { QueueBounds, Queued } from './batcher.ts';
import { CertaintyCounter } from './certainty-counter.ts';
import { type AuditOptions, DeviceAudits } from './device-audits.ts';
import { DeviceClaim } from './device-claim.ts';
import { DoneNotes } from './done-notes.ts';
import { Measures } from './measures.ts';
import { finishBatch, type Outcome, type ReplicaOptions, standingResult } from './model-replica.ts';
import { ReplicaChanges } from './replica-changes.ts';
import { Replicas, type ReplicasOptions } from './replicas.ts';
import { StarvationWatch } from './starvation-watch.ts';
import type { DeviceWeights, WeightsOf } from './weights/device-weights.ts';

export interface DeviceOptions extends ReplicaOptions, ReplicasOptions {
  readonly specs: readonly TensorSpec[];
  readonly device: string;
  readonly host: string;
  readonly subjects: Subjects;
  /** The plan to begin with: its replicas are loaded before this device is called ready. */
  readonly plan: RevisedPlan;
  readonly createBackend: () => Backend;
  /** 99th percentile of the event loop's delay since the last call. */
  readonly loopDelayMsP99: () => number;
  /** Computing time of the queues from which on they are told at once, and not with the next heartbeat; default: never. */
  readonly urgentBacklogMs?: number;
  /** Called when all replicas are ready. */
  readonly onReady?: () => void;
  /** Where spans go; default: nothing is traced. */
  readonly tracing?: Tracing | undefined;
  /** Called when an inference does not come back; the frontends have been told to send elsewhere. Ends the process. */
  readonly onHung: () => void;
  /** Called when no batch can run; `idle` tells whether that is still so. */
  readonly onIdle?: (idle: () => boolean) => void;
  readonly bounds?: QueueBounds;
  /** Default: this process's. */
  readonly pid?: number;
  /** See DeviceClaim. Default: the pid, for a device that no other host runs. */
  readonly claim?: string;
  /** What plans mean on this device. */
  readonly weightsOf: WeightsOf;
  /** Whether and how answers are audited; needs bins of the certainties. By default none are. */
  readonly audit?: AuditOptions | undefined;
}

/** The queue lengths that a gear is chosen by are as old as that at most; the simulator has it so. */
const HEARTBEAT_INTERVAL_MS = LOAD_INTERVAL_MS;
/** What only people look at, through metrics, is told less often. */
const MEASURES_INTERVAL_MS = 1_000;
/** The queues are looked through for what is given up no more often: of 50,000 requests that takes a millisecond. */
const CANCEL_INTERVAL_MS = 10;
const BOUNDS: QueueBounds = { requests: 50_000, bytes: 256 * 2 ** 20 };

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
  readonly #channels: Channels;
  readonly #backend: Backend;
  readonly #router: Router;
  readonly #loop: BatchLoop;
  readonly #outbox: Outbox;
  readonly #replicas: Replicas;
  readonly #changes: ReplicaChanges;
  #incarnation: string;
  readonly #startedAt: number;
  readonly #claim: DeviceClaim;
  readonly #companyOf: ((sample: Sample) => string) | undefined;
  readonly #sizeOf: ((sample: Sample) => number) | undefined;
  readonly #done: DoneNotes;
  readonly #answered: number[];
  readonly #unserved = new Unserved();
  readonly #starvation = new StarvationWatch();
  readonly #certainties: CertaintyCounter;
  readonly #measures = new Measures();
  #measuresToldAt = 0;
  /** Per model: those of the plan in force. */
  #weights: readonly DeviceWeights[];
  /** Model -> why its weights cannot be had, as was told last. */
  #missing: ReadonlyMap<string, string> = new Map();
  readonly #audits: DeviceAudits | undefined;
  #phase: DeviceState['phase'] = 'loading';
  #toldAt = 0;
  /** The batch that this device dies of: frontends try its requests once more, alone, and what else is here in batches. */
  #blamed: readonly Queued[] | undefined;
  #gearDelayMs = 0;
  /** Requests that were given up a moment ago, by origin. */
  #cancelled = new Map<string, Set<number>>();
  #nextCancelAt = 0;
  /** What comes in was sent before a pause of this process, and has been sent again by its frontends. */
  #stale = false;

  constructor(options: DeviceOptions, context: ActorContext) {
    const { models } = options;
    this.#options = options;
    this.#context = context;
    this.#channels = new Channels(options.subjects.root, context);
    this.#companyOf = companyRule(options.specs);
    this.#sizeOf = sampleSize(options.specs);
    this.#backend = options.createBackend();
    this.#replicas = new Replicas(options, this.#backend, context.log);
    this.#router = new Router(options.plan);
    this.#weights = options.weightsOf(this.#router.plan);
    this.#outbox = new Outbox(context.bus, context.clock, options.specs);
    this.#audits =
      options.audit &&
      new DeviceAudits(
        {
          ...options.audit,
          device: options.device,
          subjects: options.subjects,
          specs: options.specs,
          router: this.#router,
          weights: () => this.#weights,
          holds: (model) => this.#holds(model),
          sizeOf: this.#sizeOf,
          batchMs: (model, batch, size) => this.#loop.plannedMs(model, batch, size),
          judge: options.judge,
        },
        context,
      );
    this.#loop = new BatchLoop({
      device: options.device,
      router: this.#router,
      backend: this.#backend,
      clock: context.clock,
      weights: () => this.#weights,
      holds: (model) => this.#holds(model),
      bounds: options.bounds ?? BOUNDS,
      watchMs: HEARTBEAT_INTERVAL_MS,
      phase: () => this.#phase,
      onDone: (model, requests, output, begun) => this.#finish(model, requests, output, begun),
      onFailed: (model, requests, error) => this.#failed(model, requests, error),
      onStray: (model, request) => this.#passOn(model, request),
      onExpired: (request, now) => this.#expire(request, now),
      onTrial: () => this.#tellTrial(),
      onDied: () => {
        if (this.#backend.lost$ !== undefined) return this.#leaveWithServer();
        this.#blamed = this.#loop.running;
        this.#tell();
      },
      ...(this.#audits === undefined ? {} : { spare: this.#audits }),
      onStarted: () => this.#tellBacklog(),
      onIdle: options.onIdle,
    });
    this.#answered = models.map(() => 0);
    this.#certainties = new CertaintyCounter(models);
    this.#done = new DoneNotes(this.#channels, context.clock, options.device);
    this.#changes = new ReplicaChanges(
      {
        device: options.device,
        subjects: options.subjects,
        router: this.#router,
        replicas: this.#replicas,
        weightsOf: options.weightsOf,
        hasWork: (model) => this.#loop.hasWork(model),
        onPrepared: (revision, problem) => this.#tellPrepared(revision, problem),
      },
      context,
    );
    this.#startedAt = context.clock.now();
    this.#claim = new DeviceClaim(options.claim ?? String(this.#pid));
    this.#incarnation = this.#newIncarnation();
  }

  run(): Observable<unknown> {
    const { bus, clock, stopping$ } = this.#context;
    const { subjects, device } = this.#options;
    const channels = this.#channels;
    const left$ = new Subject<void>();
    const ended$ = new Subject<void>();
    const working$ = merge(
      bus.messages$(subjects.deviceWork(device), { exclusive: true }).pipe(tap(({ subject, data }) => this.#take(subject, data))),
      // Behind the requests that it is about, as it comes the same way.
      channels.receive$(DEVICE_CANCEL, { device }).pipe(tap((frame) => this.#noteCancelled(frame))),
      this.#loop.run(),
      this.#backend.lost$?.pipe(tap({ error: () => this.#leaveWithServer() })) ?? EMPTY,
      this.#audits?.received$(() => this.#loop.pump()) ?? EMPTY,
      this.#loop.empty$.pipe(tap(() => this.#phase === 'draining' && left$.next())),
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
      channels.receive$(GEAR).pipe(tap((gear) => this.#shift(gear))),
      this.#changes.run(),
      channels.receive$(STATE).pipe(tap((state) => this.#observe(state))),
      // What was sent to us meanwhile is gone, and so is what we said: to the frontends we are as good as restarted.
      reconnected$(bus).pipe(
        tap(() => {
          this.#claim.away();
          this.#incarnation = this.#newIncarnation();
          this.#router.markStale(clock.now());
        }),
      ),
      every(clock, HEARTBEAT_INTERVAL_MS).pipe(
        tap(() => {
          this.#router.sweep(clock.now());
          this.#checkProgress();
          this.#tell();
        }),
      ),
    );
    const loading$ = this.#changes.begin().pipe(takeUntil(stopping$));
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
        this.#backend.close().catch((error) => this.#context.log.error({ reason: messageOf(error) }, 'backend did not close'));
      }),
    );
  }

  /** @throws DeviceTakenError when another process has this device, too, and stays. */
  #observe(state: DeviceState): void {
    const now = this.#context.clock.now();
    const { device } = this.#options;
    if (state.device === device && this.#claim.losesTo(state, this.#phase === 'ready', now)) {
      throw new DeviceTakenError(
        `device ${device} is run by process ${state.pid} of host ${state.host} as well: that one stays, this one (${this.#pid}) leaves`,
      );
    }
    this.#router.observe(state, now);
  }

  #tellPrepared(revision: number, problem: string | undefined): void {
    const { device } = this.#options;
    // Frontends learn by the heartbeat where the new replicas are: before anything is routed to them.
    this.#tell();
    const message: PreparedMessage = {
      revision,
      device,
      incarnation: this.#incarnation,
      ...(problem === undefined ? {} : { problem }),
    };
    this.#context.log[problem === undefined ? 'info' : 'warn']({ revision, problem }, 'prepared for a plan');
    this.#channels.send(PREPARED, message);
  }

  /** Liveness is progress: of the inference that runs, and of this process itself. */
  #checkProgress(): void {
    const { sinceLastMs, hung } = this.#loop.watch(this.#context.clock.now(), this.#changes.underWay);
    if (sinceLastMs > DEVICE_LOST_AFTER_MS && (this.#phase === 'ready' || this.#phase === 'draining'))
      this.#startOver(sinceLastMs);
    if (!hung || this.#phase === 'left') return;
    this.#context.log.error({ queued: this.#loop.clear() }, 'an inference takes far longer than profiled: the device hangs');
    this.#blamed = this.#loop.running;
    this.#enter('left');
    this.#options.onHung();
  }

  /** The server that computes for this device is gone: no request is to blame, and all are sent elsewhere at once. */
  #leaveWithServer(): void {
    this.#blamed = [];
    this.#enter('left');
  }

  /** Completes when the server knows what is to blame if this device dies now. */
  #tellTrial(): Observable<never> {
    const { bus, log } = this.#context;
    this.#tell();
    return from(bus.flush()).pipe(
      ignoreElements(),
      catchError((error) => {
        log.info({ reason: messageOf(error) }, 'no connection to say so, but a request is tried alone');
        return EMPTY;
      }),
    );
  }

  /** What the frontends are told of whom to blame. */
  #suspects(): Suspects | undefined {
    const { running } = this.#loop;
    const blamed = this.#blamed ?? (running.length === 1 && running[0].item.alone ? running : undefined);
    if (blamed === undefined) return undefined;
    const origins = [...new Set(blamed.map(({ origin }) => origin))];
    return origins.map((origin) => ({
      origin,
      seqs: blamed.flatMap((request) => (request.origin === origin ? [request.item.seq] : [])),
    }));
  }

  /**
   * After a pause so long that the frontends have taken this device for lost: what they had sent is computed elsewhere, or will be
   * once they read of the new incarnation. What arrived meanwhile is before us in the connection, and goes the same way.
   */
  #startOver(pausedMs: number): void {
    const { bus, log } = this.#context;
    const dropped = this.#loop.clear();
    this.#claim.away();
    log.warn({ pausedMs: Math.round(pausedMs), dropped }, 'this process was paused; what was queued has been sent elsewhere');
    this.#stale = true;
    bus
      .flush()
      // Without a connection: the new one makes us a new incarnation, too.
      .catch((error) => log.info({ reason: messageOf(error) }, 'no connection after the pause'))
      .finally(() => {
        // This actor may have died meanwhile; its successor speaks for the device.
        if (this.#phase === 'left') return;
        this.#stale = false;
        this.#incarnation = this.#newIncarnation();
        this.#tell();
        this.#loop.pump();
      });
  }

  get #pid(): number {
    return this.#options.pid ?? process.pid;
  }

  #newIncarnation(): string {
    return `${this.#pid}-${Math.floor(this.#context.clock.now())}`;
  }

  #take(subject: string, data: Uint8Array): void {
    if (this.#stale || this.#phase === 'left') return;
    const now = this.#context.clock.now();
    const model = this.#options.models.indexOf(subject.slice(subject.lastIndexOf('.') + 1));
    const frame = this.#context.drops.unlessMalformed(() => decodeWorkFrame(data, this.#options.specs, now));
    // The requests in it, if there were any, are answered by their frontend at their deadline.
    if (frame === undefined) return;
    const { origin } = frame;
    for (const item of frame.items) {
      const { sample } = item;
      this.#enqueue(model, { item, origin, enqueuedAt: now, company: this.#companyOf?.(sample), size: this.#sizeOf?.(sample) });
    }
    this.#loop.pump();
  }

  /** What has not begun is not computed; what has goes no further. */
  #cancel(): void {
    this.#nextCancelAt = this.#context.clock.now() + CANCEL_INTERVAL_MS;
    const givenUp = this.#cancelled;
    this.#cancelled = new Map();
    const dropped = this.#loop.cancel(({ origin, item }) => givenUp.get(origin)?.has(item.seq) === true);
    for (const { origin, item } of dropped) this.#letGo('waiting', origin, item.seq);
    this.#loop.pump();
  }

  /** Of one that its client gave up. */
  #letGo(reason: 'waiting' | 'computing', origin: string, seq: number): void {
    this.#unserved.count(reason);
    this.#done.dropped(origin, seq);
  }

  /** What is given up one by one is looked for together. */
  #noteCancelled({ origin, seqs }: CancelFrame): void {
    const { clock } = this.#context;
    if (this.#cancelled.size === 0) clock.after(Math.max(0, this.#nextCancelAt - clock.now()), () => this.#cancel());
    const known = this.#cancelled.get(origin) ?? new Set();
    for (const seq of seqs) known.add(seq);
    this.#cancelled.set(origin, known);
  }

  #enqueue(model: number, request: Queued): void {
    if (model === -1) {
      this.#refuse(
        request,
        'unknown-model',
        `device ${this.#options.device} was sent a request for a model that the family has not`,
      );
    } else if (!this.#holds(model)) {
      this.#passOn(model, request);
    } else if (!this.#loop.enqueue(model, request)) {
      this.#refuse(
        request,
        'no-room',
        `the queue of ${this.#options.models[model]} on ${this.#options.device} is full; try again later`,
        Math.ceil(this.#loop.backlogMs() / 2),
      );
    }
  }

  /** Whether the weights that the plan in force names are here. */
  #holds(model: number): boolean {
    return this.#replicas.has(this.#weights[model]);
  }

  /** A straggler sent by a plan that placed the model here, or was to: another device has it. */
  #passOn(model: number, request: Queued): void {
    const target = this.#router.route(model);
    if (target !== undefined && target !== this.#options.device && this.#sendTo(target, model, request.origin, request.item))
      return;
    const name = this.#options.models[model];
    this.#refuse(request, 'no-device', `no device that holds model ${name} can be reached; try again later`);
  }

  #shift(message: GearMessage): void {
    const before = this.#router.gear;
    const { revision, epoch } = this.#router;
    if (!this.#router.apply(message)) askForPlan(this.#context.bus, this.#options.subjects);
    if (this.#router.epoch !== epoch) this.#gearDelayMs = this.#context.clock.now() - message.decidedAt;
    if (this.#router.revision !== revision) {
      // In force is no longer to come.
      this.#changes.committed();
      this.#weights = this.#options.weightsOf(this.#router.plan);
    }
    // Leftovers of models that the new gear does not use run at once; shorter minimum queue lengths may trigger.
    if (this.#router.gear !== before) this.#loop.pump();
  }

  #finish(model: number, requests: readonly Queued[], output: BatchOutput, begun: BatchBegin): () => void {
    // Certainties of weights that are no longer in force are judged by the thresholds that were chosen for them.
    const inForce = begun.weights.key === this.#weights[model].key ? this.#router : begun;
    const { gear, revision, plan } = inForce;
    const now = this.#context.clock.now();
    const outcomes = finishBatch(this.#options, inForce, model, requests, output, begun.startedAt, now);
    if (this.#options.tracing !== undefined)
      recordBatch(this.#options.tracing, this.#options, model, outcomes, begun.startedAt, now);
    // Gears for the loss of a device are not watched: they are short.
    const watched = plan.gears[gear.index] === gear;
    const ended: Exclude<Outcome, { type: 'forward' }>[] = [];
    for (const outcome of outcomes) {
      if (watched) {
        const { certaintyEdges } = begun.weights;
        this.#certainties.count(revision, gear, model, certaintyEdges, outcome.request.item.opinion, outcome.certainty);
      }
      if (this.#loop.isGivenUp(outcome.request)) {
        this.#unserved.count('computing');
        this.#done.finished(outcome.request.origin, outcome.request.item.seq);
      } else if (outcome.type === 'forward') this.#forward(outcome);
      else {
        if (outcome.type === 'answer') this.#answered[model]++;
        ended.push(outcome);
      }
    }
    return () => {
      this.#measures.batch(this.#options.models[model], requests.length, output.computeMs);
      for (const outcome of ended) {
        if (outcome.type === 'answer') this.#answer(outcome.request, outcome.result);
        else this.#fail(outcome.request, outcome.message);
      }
      this.#endTrial(requests);
    };
  }

  #forward({ request, model, item }: Outcome & { type: 'forward' }): void {
    const { clock } = this.#context;
    const { device } = this.#options;
    const target = this.#phase === 'draining' && this.#holds(model) ? device : this.#router.route(model);
    const now = clock.now();
    if (target !== undefined && endsTooLate(now + this.#waitMs(target) + this.#loop.singleMs(model), item.deadlineAt)) {
      this.#expire({ ...request, item }, now);
      return;
    }
    if (target === device) {
      this.#enqueue(model, { ...request, item: unpinned(item), enqueuedAt: now });
      return;
    }
    if (target !== undefined && this.#sendTo(target, model, request.origin, item)) return;
    if (item.opinion !== undefined)
      this.#answer(request, standingResult(this.#options, this.#router, item, item.opinion, 'gear', clock.now()));
    else
      this.#refuse(
        request,
        'no-device',
        `no device that holds model ${this.#options.models[model]} can be reached; try again later`,
      );
  }

  /** Sends a request to a replica on another device, and tells its frontend. False when it does not fit into a message. */
  #sendTo(device: string, model: number, origin: string, item: WorkItem): boolean {
    const { subjects, models } = this.#options;
    if (!this.#outbox.add(subjects.work(device, models[model]), origin, item)) return false;
    this.#done.moved(origin, item.seq, device);
    return true;
  }

  /** What a request that goes on to this device has before it there, as far as is known. */
  #waitMs(device: string): number {
    return device === this.#options.device ? this.#loop.backlogMs() : this.#router.backlogMs(device);
  }

  /** Past its deadline, or sure to be: the answer so far, if there is one, else an error. */
  #expire(request: Queued, now: number): void {
    const { item } = request;
    if (item.opinion === undefined) {
      this.#refuse(
        request,
        'no-time',
        `waited ${Math.round(now - item.arrivedAt)} ms; no time is left to compute it within the deadline`,
      );
      return;
    }
    this.#answer(request, standingResult(this.#options, this.#router, item, item.opinion, 'deadline', now));
  }

  #answer(request: Queued, result: Result): void {
    const { item, origin } = request;
    if (this.#isTooLate(item)) return;
    if (!sendResult(this.#context.bus, item.reply, result, item.json)) return;
    this.#done.finished(origin, item.seq);
    this.#measures.answered(result);
    this.#audits?.answered(request, result, this.#context.clock.now());
  }

  /** The same input would fail again, so it is the input that is refused: nobody tries again. */
  #fail({ item, origin }: Queued, message: string): void {
    if (this.#isTooLate(item)) return;
    const { code } = UNSERVED['no-number'];
    if (!sendFailure(this.#context.bus, item.reply, item.id, code, message, item.json)) return;
    this.#unserved.count('no-number');
    this.#done.finished(origin, item.seq);
  }

  #failed(model: number, requests: readonly Queued[], error: unknown): void {
    const { code, message } = failureOf(error);
    // A sample that the model cannot take is its sender's affair.
    if (code !== 'INVALID_ARGUMENT')
      this.#context.log.error({ model: this.#options.models[model], batch: requests.length, err: error }, 'inference failed');
    for (const request of requests) {
      if (this.#loop.isGivenUp(request)) this.#letGo('computing', request.origin, request.item.seq);
      else if (requests.length === 1) this.#refuse(request, code === 'INVALID_ARGUMENT' ? 'unfit' : 'inference', message);
    }
    this.#endTrial(requests);
  }

  /** It has not killed this device: nobody is to blame any more. */
  #endTrial(requests: readonly Queued[]): void {
    if (requests.some(({ item }) => item.alone)) this.#tell();
  }

  #refuse({ item, origin }: Queued, reason: ToldReason, message: string, retryAfterMs?: number): void {
    if (this.#isTooLate(item)) return;
    const { code } = UNSERVED[reason];
    if (sendFailure(this.#context.bus, item.reply, item.id, code, message, item.json, retryAfterMs)) {
      this.#unserved.count(reason);
      if (code === 'INTERNAL' || code === 'INVALID_ARGUMENT') this.#done.finished(origin, item.seq);
      else this.#done.dropped(origin, item.seq);
    }
  }

  /**
   * The frontend answers, or has answered. It is not told that the request has ended here: after a redelivery it may still have it,
   * and would let go of it with nobody having said anything.
   */
  #isTooLate(item: WorkItem): boolean {
    return this.#context.clock.now() > item.deadlineAt + REPLICA_GRACE_MS;
  }

  #enter(phase: DeviceState['phase']): void {
    this.#phase = phase;
    // Everything said before must reach the frontends before this device is gone.
    this.#outbox.flush();
    this.#done.flush();
    this.#tell();
    // Draining: what waits for company runs now. Ready: work may have come while the server was told of the subscriptions.
    if (phase !== 'left') this.#loop.pump();
  }

  /** A backlog that grows cannot wait for the next heartbeat: within 100 ms it may be as long as the SLO. */
  #tellBacklog(): void {
    const { urgentBacklogMs = Number.POSITIVE_INFINITY } = this.#options;
    if (urgentBacklogMs === Number.POSITIVE_INFINITY || this.#context.clock.now() - this.#toldAt < URGENT_INTERVAL_MS) return;
    if (this.#loop.backlogMs() > urgentBacklogMs) this.#tell();
  }

  #tell(): void {
    const before = this.#toldAt;
    this.#toldAt = this.#context.clock.now();
    const starvedShare = this.#starvation.share(this.#backend.thread, this.#toldAt);
    if (starvedShare !== null) this.#audits?.starved(before, this.#toldAt, starvedShare);
    const { device, host, models, loopDelayMsP99 } = this.#options;
    // Also those of a plan to come: frontends learn of them before anything is routed to them.
    const ready = [...models.keys()].filter((model) => this.#holds(model) || this.#changes.hasPrepared(models[model]));
    const certainties = this.#certainties.take();
    const missing = this.#changes.missing;
    this.#tellMissing(missing);
    const suspects = this.#suspects();
    const audits = this.#audits?.take() ?? [];
    const isMeasured = this.#phase === 'left' || this.#toldAt - this.#measuresToldAt >= MEASURES_INTERVAL_MS;
    if (isMeasured) this.#measuresToldAt = this.#toldAt;
    const state: DeviceState = {
      device,
      host,
      phase: this.#phase,
      incarnation: this.#incarnation,
      claim: this.#claim.id,
      absences: this.#claim.absences,
      pid: this.#pid,
      revision: this.#router.revision,
      gear: this.#router.gear.index,
      epoch: this.#router.epoch,
      gearDelayMs: this.#gearDelayMs,
      queues: Object.fromEntries(ready.map((model) => [models[model], this.#loop.length(model)])),
      answered: Object.fromEntries(ready.map((model) => [models[model], this.#answered[model]])),
      backlogMs: this.#loop.backlogMs(),
      slowdown: this.#loop.slowdown(),
      starvedShare,
      completedBatches: this.#loop.batchesRun,
      busyMs: this.#loop.busyMs,
      upMs: this.#context.clock.now() - this.#startedAt,
      loopDelayMsP99: loopDelayMsP99(),
      dropped: this.#context.drops.counts,
      unserved: this.#unserved.counts,
      emulated: this.#backend.emulated,
      ...(missing.size === 0 ? {} : { missingWeights: Object.fromEntries(missing) }),
      ...(certainties.length === 0 ? {} : { certainties }),
      ...(suspects === undefined ? {} : { suspects }),
      ...(audits.length === 0 ? {} : { audits }),
      ...(isMeasured ? { measures: this.#measures.told } : {}),
      ...(this.#audits?.hasSpare(this.#toldAt) ? { spare: true } : {}),
    };
    this.#channels.send(STATE, state, { device });
  }

  /** Of weights that cannot be had, and of those that are here again or not wanted any more. */
  #tellMissing(missing: ReadonlyMap<string, string>): void {
    const { bus, log } = this.#context;
    const { device, subjects } = this.#options;
    for (const [model, reason] of missing) {
      if (this.#missing.get(model) === reason) continue;
      log.error({ device, model, reason }, 'stays without a model: its weights cannot be had');
      publishEvent(bus, subjects, { type: 'weights', state: 'missing', device, model, reason });
    }
    for (const model of this.#missing.keys()) {
      if (missing.has(model)) continue;
      log.info({ device, model }, 'no weights of the model are missing any more');
      publishEvent(bus, subjects, { type: 'weights', state: 'there', device, model });
    }
    this.#missing = missing;
  }
}

/** A small view would keep the whole frame that the request came in, when the rest of it is long answered. */
function unpinned(item: WorkItem): WorkItem {
  if (item.sample.every(({ data }) => data.buffer.byteLength <= 2 * data.length)) return item;
  return { ...item, sample: item.sample.map(({ data, shape }) => ({ data: data.slice(), shape })) };
}
