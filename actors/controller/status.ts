import { catchError, defer, from as fromPromise, type Observable, of } from 'rxjs';
import type { Actor } from '../../engine/actor/actor.ts';
import { asked, defineActor, each, from, on, type Reaction } from '../../engine/actor/define.ts';
import { messageOf } from '../../engine/errors.ts';
import { DRIFT, EVENTS, GEAR, LOAD, PREPARE, STATE, STATUS } from '../../plans/protocol/channels.ts';
import { durableStatus } from '../durable/durable-status.ts';
import type { DurableConfig } from '../durable/durable-streams.ts';
import { type DurableAnswer, type ReadDurable, StatusCore, type StatusCoreOptions } from './status-core.ts';

export interface StatusOptions extends StatusCoreOptions {
  readonly leading$: Observable<boolean>;
  /** Undefined: the deployment does not store requests. */
  readonly durable?: DurableConfig | undefined;
}

const FORGET_INTERVAL_MS = 1_000;
const READ_INTERVAL_MS = 1_000;

/** Listens to the whole deployment and answers operators with a snapshot of it. */
export function statusActor(options: StatusOptions): Actor {
  const { durable } = options;
  const reads: readonly Reaction<StatusCore, ReadDurable>[] =
    durable === undefined ? [] : [each(READ_INTERVAL_MS, (core) => core.readDurable())];
  return defineActor<StatusCore, ReadDurable, DurableAnswer>({
    name: 'status',
    description: 'answers requests for a snapshot of the deployment',
    root: options.subjects.root,
    core: (now, _, before) => new StatusCore({ ...options, isDurable: durable !== undefined }, now, before),
    reactions: [
      on(STATE, (core, state, now) => core.onState(state, now)),
      on(LOAD, (core, report, now) => core.onLoad(report, now)),
      on(GEAR, (core, gear, now) => core.onGear(gear, now)),
      on(PREPARE, (core, plan) => core.onPrepare(plan)),
      on(EVENTS, (core, event, now) => core.onEvent(event, now)),
      on(DRIFT, (core, report) => core.onDrift(report)),
      asked(STATUS, (core, question, now) => core.onAsked(question, now)),
      from(
        () => options.leading$,
        (core, leading) => core.lead(leading),
      ),
      each(FORGET_INTERVAL_MS, (core, now) => core.forget(now)),
      ...reads,
    ],
    tasks:
      ({ bus }) =>
      () =>
        defer(() => fromPromise(durableStatus(bus.workQueues(), durable!))).pipe(
          catchError((error) => of<DurableAnswer>({ unknown: messageOf(error) })),
        ),
    onOutcome: (core, answer) => core.onDurableRead(answer),
  });
}
