import {
  defer,
  EMPTY,
  endWith,
  ignoreElements,
  map,
  merge,
  type Observable,
  Subject,
  switchMap,
  take,
  takeUntil,
  tap,
} from 'rxjs';
import type { Actor, ActorContext } from '../../engine/actor/actor.ts';
import { Channels } from '../../engine/actor/channel.ts';
import { defineActor, each, from, on } from '../../engine/actor/define.ts';
import { reconnected$ } from '../../engine/bus/reconnected.ts';
import { every } from '../../engine/clock.ts';
import { assertNever } from '../../engine/errors.ts';
import { LOAD_INTERVAL_MS } from '../../plans/policy/gear-choice.ts';
import { ABORT, CANCEL, DONE, GEAR, PREPARE, STATE } from '../../plans/protocol/channels.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';
import { sendFailures } from './answers.ts';
import { Cancellations } from './cancellations.ts';
import { FrontendCore, type FrontendCoreOptions } from './frontend-core.ts';
import type { FrontendTask } from './frontend-effects.ts';
import { Intake, type Opened } from './intake.ts';
import { Outbox } from './outbox.ts';

export interface FrontendOptions extends FrontendCoreOptions {
  readonly subjects: Subjects;
  /** Emits the number of arrivals, for the load-estimator in the same process. */
  readonly arrivals$: Subject<number>;
  /** Called when this frontend has started accepting requests. */
  readonly onReady?: () => void;
}

/** The simulator does the same: requests that waited too long end whenever arrivals are reported. */
const SWEEP_INTERVAL_MS = LOAD_INTERVAL_MS;
/** How often a frontend that cannot accept requests logs why. */
const REMIND_INTERVAL_MS = 10_000;
const NOTHING = new Uint8Array(0);

/**
 * Accepts requests from clients: decodes, validates, chooses a replica of the gear's first model, and keeps requests in flight so that
 * none is lost with its device. Replicas send the answers directly to the clients.
 */
export function frontendActor(options: FrontendOptions): Actor {
  const { name, subjects } = options;
  const routable$ = new Subject<void>();
  const tooLarge$ = new Subject<number>();
  // Continues after a restart of the actor: notes about an earlier one's requests must not end new ones.
  let sequence = 0;
  const nextSeq = (): number => sequence++;
  return defineActor<FrontendCore, FrontendTask>({
    name: `frontend-${name}`,
    description: 'accepts inference requests and sends them to the first model of the gear in force',
    root: subjects.root,
    hot: true,
    core: (_, { bus: { maxPayloadBytes } }, before) => new FrontendCore({ ...options, maxPayloadBytes, nextSeq }, before),
    tasks: (context) => performer(options, routable$, tooLarge$, context),
    isDrained: (core) => core.isDrained,
    reactions: [
      from(
        (core, context) => opened$(options, routable$, core, context),
        (core, opened, now) => core.take(opened, now),
      ),
      // Not `exclusive`: a note that passes through the server after the answer shows that the answer has reached the server.
      on(DONE, (core, frame, now) => core.onDone(frame, now), { frontend: name }),
      on(CANCEL, (core, cancellations) => core.onCancel(cancellations)),
      on(GEAR, (core, message) => core.onGear(message)),
      on(PREPARE, (core, message) => core.onPrepare(message)),
      on(ABORT, (core, verdict) => core.onAbort(verdict)),
      on(STATE, (core, state, now) => core.onState(state, now)),
      from(
        (_, { bus }) => tooLarge$.pipe(map((seq) => ({ seq, maxPayloadBytes: bus.maxPayloadBytes }))),
        (core, { seq, maxPayloadBytes }, now) => core.onTooLarge(seq, maxPayloadBytes, now),
      ),
      from(sweeps$, (core, _, now) => core.sweep(now)),
      from(
        (_, { bus }) => reconnected$(bus),
        (core, _, now) => core.reconnected(now),
      ),
      each(REMIND_INTERVAL_MS, (core) => core.remind()),
    ],
  });
}

/** Clients' messages, opened. Starts when this frontend can route, and ends when it stops and all messages in transit have arrived. */
function opened$(
  { subjects, specs, outputs, tracing, onReady }: FrontendOptions,
  routable$: Observable<void>,
  core: FrontendCore,
  { bus, clock, stopping$ }: ActorContext,
): Observable<Opened> {
  const intake = new Intake({ subjects, specs, outputs, maxPayloadBytes: bus.maxPayloadBytes, traces: tracing !== undefined });
  const closedForMs = (sender: number): number | undefined => core.closedForMs(sender, clock.now());
  // Ready means that the server has our subscription.
  const ready$ = defer(() => bus.flush()).pipe(tap(onReady), ignoreElements());
  return routable$.pipe(
    take(1),
    takeUntil(stopping$),
    // A frontend joins the queue group only when it can route; until then, the others, if any, serve.
    switchMap(() => merge(bus.messages$(subjects.infer, { queue: 'frontends', until: stopping$ }), ready$)),
    map((message) => intake.open(message, closedForMs)),
    endWith<Opened>({ type: 'end' }),
  );
}

/** Pauses without a connection, when we can neither judge devices nor answer clients. */
function sweeps$(_: FrontendCore, { bus, clock }: ActorContext): Observable<unknown> {
  return bus.status$.pipe(switchMap((status) => (status === 'up' ? every(clock, SWEEP_INTERVAL_MS) : EMPTY)));
}

function performer(
  { name, subjects, specs, arrivals$ }: FrontendOptions,
  routable$: Subject<void>,
  tooLarge$: Subject<number>,
  context: ActorContext,
): (task: FrontendTask) => undefined {
  const { bus, clock } = context;
  const channels = new Channels(subjects.root, context);
  const outbox = new Outbox(bus, clock, specs, (_, { seq }) => tooLarge$.next(seq));
  const cancellations = new Cancellations(bus, clock, channels, name);
  return (task) => {
    switch (task.type) {
      case 'arrived':
        arrivals$.next(task.requests);
        return;
      case 'work':
        outbox.add(subjects.work(task.device, task.model), name, task.item, task.bytes);
        return;
      case 'fail':
        sendFailures(bus, task.reply, task.failures, task.json);
        return;
      case 'cancel':
        cancellations.sendToDevice(task.device, task.seq);
        return;
      case 'pass-on':
        cancellations.sendToFrontends(task.cancellation, task.bytes);
        return;
      case 'close-reply':
        bus.publish(task.reply, NOTHING);
        return;
      case 'routable':
        routable$.next();
        return;
      default:
        assertNever(task);
    }
  };
}
