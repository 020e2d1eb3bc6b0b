import {
  catchError,
  concat,
  defer,
  EMPTY,
  filter,
  finalize,
  ignoreElements,
  map,
  merge,
  Observable,
  of,
  Subject,
  switchMap,
  takeUntil,
  throwError,
} from 'rxjs';
import type { Actor, ActorContext } from '../../engine/actor/actor.ts';
import { Channels } from '../../engine/actor/channel.ts';
import { defineActor, each, from, on } from '../../engine/actor/define.ts';
import { decoded } from '../../engine/actor/drops.ts';
import { NO_EFFECTS } from '../../engine/actor/effect.ts';
import type { Backend } from '../../engine/backend/backend.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { reconnected$ } from '../../engine/bus/reconnected.ts';
import type { Clock } from '../../engine/clock.ts';
import { assertNever, messageOf } from '../../engine/errors.ts';
import { decodeAuditItem } from '../../plans/protocol/audit-codec.ts';
import { DEVICE_CANCEL, GEAR, STATE } from '../../plans/protocol/channels.ts';
import { decodeWorkFrame } from '../../plans/protocol/codec.ts';
import type { WorkFrame, WorkItem } from '../../plans/protocol/messages.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';
import { Outbox } from '../frontend/outbox.ts';
import { type RevisedPlan, Router } from '../frontend/router.ts';
import type { QueueBounds } from './batcher.ts';
import { DeviceCore, type DeviceCoreOptions, HEARTBEAT_INTERVAL_MS } from './device-core.ts';
import type { Answer, DeviceEffect, DeviceTask } from './device-effects.ts';
import { DoneNotes } from './done-notes.ts';
import type { BatchOrder } from './orders.ts';
import { ReplicaChanges } from './replica-changes.ts';
import { Replicas, type ReplicasOptions } from './replicas.ts';
import { type Ended, ended$ } from './run-order.ts';
import { sendAnswer } from './send-answer.ts';
import { StarvationWatch } from './starvation-watch.ts';

export interface DeviceOptions extends Omit<DeviceCoreOptions, 'bounds' | 'pid'>, ReplicasOptions {
  readonly subjects: Subjects;
  /** The initial plan. The device is ready once its replicas are loaded. */
  readonly plan: RevisedPlan;
  readonly createBackend: () => Backend;
  /** 99th percentile of the event loop's delay since the last call. */
  readonly loopDelayMsP99: () => number;
  /** Called when all replicas are ready. */
  readonly onReady?: () => void;
  /** Called when an inference does not return, after frontends were told to send requests elsewhere. Ends the process. */
  readonly onHung: () => void;
  /** Called when no batch can run; `idle` returns whether that is still so. */
  readonly onIdle?: (idle: () => boolean) => void;
  readonly bounds?: QueueBounds;
  /** Default: this process's. */
  readonly pid?: number;
}

const BOUNDS: QueueBounds = { requests: 50_000, bytes: 256 * 2 ** 20 };

/** The parts of a running device. */
interface Device {
  readonly core: DeviceCore;
  readonly router: Router;
  readonly backend: Backend;
  readonly changes: ReplicaChanges;
  readonly wakeAt$: Subject<number | undefined>;
  readonly drained$: Subject<void>;
}

/** The outcome of a task. */
type Outcome =
  | Ended
  | { readonly type: 'sent'; readonly answers: readonly Answer[]; readonly batch: BatchOrder | undefined }
  | { readonly type: 'cancel-due' }
  /** The server has answered, so everything sent before has arrived. */
  | { readonly type: 'caught-up' };

/** Hosts a device's replicas: queues their requests, runs one batch at a time, and answers requests or passes them on. */
export function deviceActor(options: DeviceOptions): Actor {
  const { device, subjects } = options;
  return defineActor<Device, DeviceTask, Outcome>({
    name: `device-${device}`,
    description: 'queues requests for its model replicas and runs them in batches',
    root: subjects.root,
    hot: true,
    core: (now, context, before) => createDevice(options, context, now, before),
    tasks: (context, self) => performer(options, self, context),
    onOutcome: ({ core }, outcome, now) => onOutcome(core, outcome, now),
    isDrained: ({ core }) => core.hasEnded,
    reactions: [
      on(GEAR, ({ core }, message, now) => core.onGear(message, now)),
      from(
        ({ changes }) => changes.run(),
        ({ core }, prepared, now) => core.onPrepared(prepared, now),
      ),
      on(STATE, ({ core }, state, now) => core.onState(state, now)),
      from(
        (_, { bus }) => reconnected$(bus),
        ({ core }, _, now) => core.reconnected(now),
      ),
      each(HEARTBEAT_INTERVAL_MS, ({ core }, now) => core.heartbeat(now)),
      from(
        (self, context) => life$(options, self, context),
        ({ core }, event, now) => event(core, now),
      ),
    ],
  });
}

function createDevice(options: DeviceOptions, context: ActorContext, now: number, before: Device | undefined): Device {
  const { bus, log, drops } = context;
  const { subjects, device, weightsOf, bounds = BOUNDS, pid = process.pid, loopDelayMsP99 } = options;
  const backend = options.createBackend();
  const router = new Router(before?.router.inForce ?? options.plan);
  const replicas = new Replicas(options, backend, log);
  const starvation = new StarvationWatch();
  const hasWork = (model: number): boolean => core.hasWork(model);
  const changes = new ReplicaChanges({ device, subjects, router, replicas, weightsOf, hasWork }, context);
  const core: DeviceCore = new DeviceCore(
    {
      ...options,
      ...{ router, replicas: changes, bounds, pid, maxPayloadBytes: bus.maxPayloadBytes },
      computesElsewhere: backend.lost$ !== undefined,
      vitals: (at) => ({
        starvedShare: starvation.share(backend.thread, at),
        loopDelayMsP99: loopDelayMsP99(),
        dropped: drops.counts,
        emulated: backend.emulated,
      }),
    },
    now,
  );
  return { core, router, backend, changes, wakeAt$: new Subject(), drained$: new Subject() };
}

/** An event in a device's life, as a call of its core. */
type LifeEvent = (core: DeviceCore, now: number) => readonly DeviceEffect[];

/** A device's life: loading replicas, working, leaving. */
function life$(options: DeviceOptions, self: Device, context: ActorContext): Observable<LifeEvent> {
  const { changes, backend, drained$ } = self;
  const { bus, log, stopping$ } = context;
  const channels = new Channels(options.subjects.root, context);
  const working$ = merge(
    work$(options, self, context),
    // Cancellations take the same way as their requests, so they arrive after them.
    channels.receive$(DEVICE_CANCEL, { device: options.device }).pipe(
      map(
        (frame): LifeEvent =>
          (core, now) =>
            core.onCancel(frame, now),
      ),
    ),
    wakes$(self, context),
    serverLost$(backend),
    audits$(options, context),
    stopping$.pipe(map((): LifeEvent => (core, now) => core.enter('draining', now))),
    // Last, after the server has our subscriptions, because work arrives as soon as frontends see `ready`.
    defer(() => bus.flush()).pipe(
      takeUntil(stopping$),
      map((): LifeEvent => (core, now) => core.enter('ready', now)),
    ),
  );
  // Nobody receives work that is still sent here after `left`; the frontends send it again elsewhere.
  const leaving$ = concat(
    of<LifeEvent>((core, now) => core.enter('left', now)),
    defer(() => bus.flush()).pipe(map((): LifeEvent => (core) => core.end())),
  );
  return concat(changes.begin().pipe(takeUntil(stopping$)), working$.pipe(takeUntil(drained$)), leaving$).pipe(
    finalize(() => {
      backend.close().catch((error) => log.error({ reason: messageOf(error) }, 'the backend did not close'));
    }),
  );
}

/** Frames of requests for the models here. */
function work$({ subjects, device, specs }: DeviceOptions, { core }: Device, context: ActorContext): Observable<LifeEvent> {
  const { bus, clock, drops } = context;
  return bus.messages$(subjects.deviceWork(device), { exclusive: true }).pipe(
    filter(() => core.takesWork),
    map((message) => ({
      model: message.subject.slice(message.subject.lastIndexOf('.') + 1),
      // A frame from this process is complete, and its times are on our clock.
      frame:
        (message.value as WorkFrame | undefined) ??
        drops.unlessMalformed(() => decodeWorkFrame(message.data, specs, clock.now())),
    })),
    // If a frame cannot be decoded, its frontend answers its requests at their deadline.
    map(
      ({ model, frame }): LifeEvent =>
        (_, now) =>
          frame === undefined ? NO_EFFECTS : core.onWork(model, frame, now),
    ),
  );
}

function serverLost$({ lost$ }: Backend): Observable<LifeEvent> {
  if (lost$ === undefined) return EMPTY;
  return lost$.pipe(
    catchError((error) =>
      concat(
        of<LifeEvent>((core, now) => core.onServerLost(now)),
        throwError(() => error),
      ),
    ),
  );
}

function wakes$({ wakeAt$ }: Device, { clock }: ActorContext): Observable<LifeEvent> {
  return wakeAt$.pipe(
    switchMap((at) => (at === undefined ? EMPTY : at$(clock, at))),
    map((): LifeEvent => (core, now) => core.onWake(now)),
  );
}

/** Answers that other devices send here to be audited. */
function audits$({ subjects, device, specs, audit }: DeviceOptions, { bus, drops }: ActorContext): Observable<LifeEvent> {
  if (audit === undefined) return EMPTY;
  return bus.messages$(subjects.audit(device)).pipe(
    decoded((data) => decodeAuditItem(data, specs), drops),
    map(
      (item): LifeEvent =>
        (core, now) =>
          core.onAudit(item, now),
    ),
  );
}

function onOutcome(core: DeviceCore, outcome: Outcome, now: number): readonly DeviceEffect[] {
  switch (outcome.type) {
    case 'done':
      return core.onOutput(outcome.order, outcome.output, now);
    case 'failed':
      return core.onFailed(outcome.order, outcome.error, now);
    case 'spare':
      return core.onSpareOutput(outcome.output, now);
    case 'died':
      return core.onDied(now);
    case 'sent':
      return core.onSent(outcome.answers, outcome.batch, now);
    case 'cancel-due':
      return core.dropCancelled(now);
    case 'caught-up':
      return core.caughtUp(now);
    default:
      return assertNever(outcome);
  }
}

/** Completes when the server has received everything, or is unreachable. */
function flushed$({ bus, log }: ActorContext, otherwise: string): Observable<never> {
  return defer(() => bus.flush().catch((error) => log.info({ reason: messageOf(error) }, otherwise))).pipe(ignoreElements());
}

function at$(clock: Clock, at: number): Observable<void> {
  return new Observable((subscriber) =>
    clock.after(Math.max(0, at - clock.now()), () => {
      subscriber.next();
      subscriber.complete();
    }),
  );
}

function tooLarge(origin: string, item: WorkItem, { maxPayloadBytes }: Pick<Bus, 'maxPayloadBytes'>): Answer {
  const message = `the request does not fit into a message of ${maxPayloadBytes} bytes; send less, or raise max_payload of the NATS server`;
  return { type: 'failure', request: { origin, item, enqueuedAt: 0 }, reason: 'too-large', message };
}

function performer(
  { subjects, device, specs, onReady, onHung, onIdle }: DeviceOptions,
  { core, backend, wakeAt$, drained$ }: Device,
  context: ActorContext,
): (task: DeviceTask) => Observable<Outcome> | undefined {
  const { bus, clock } = context;
  const notes = new DoneNotes(new Channels(subjects.root, context), clock, device);
  const outbox = new Outbox(bus, clock, specs, (origin, item) => void sendAnswer(bus, notes, tooLarge(origin, item, bus)));
  const beforeTrial$ = flushed$(context, 'running a request alone without a connection to report it first');
  // Without a connection we go on, because reconnecting starts a new incarnation, too.
  const afterPause$ = flushed$(context, 'no connection after the pause');
  return (task) => {
    switch (task.type) {
      case 'run':
        return ended$(backend, task.order, beforeTrial$);
      case 'answer':
        return of({
          type: 'sent',
          answers: task.answers.filter((answer) => sendAnswer(bus, notes, answer)),
          batch: task.batch,
        });
      case 'ended':
        notes.ended(task.request, task.computed);
        return undefined;
      case 'work':
        outbox.add(subjects.work(task.device, task.model), task.origin, task.item, task.bytes);
        notes.moved(task.origin, task.item.seq, task.device);
        return undefined;
      case 'flush':
        outbox.flush();
        notes.flush();
        return undefined;
      case 'audit':
        bus.publish(subjects.audit(task.device), task.data);
        return undefined;
      case 'wake':
        wakeAt$.next(task.at);
        return undefined;
      case 'cancel-at':
        return at$(clock, task.at).pipe(map(() => ({ type: 'cancel-due' })));
      case 'ready':
        onReady?.();
        return undefined;
      case 'idle':
        onIdle?.(() => core.isIdle);
        return undefined;
      case 'catch-up':
        return concat(afterPause$, of<Outcome>({ type: 'caught-up' }));
      case 'drained':
        drained$.next();
        return undefined;
      case 'hung':
        onHung();
        return undefined;
      default:
        return assertNever(task);
    }
  };
}
