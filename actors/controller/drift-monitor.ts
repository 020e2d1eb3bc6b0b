import { catchError, defer, map, type Observable, of } from 'rxjs';
import type { Actor } from '../../engine/actor/actor.ts';
import { defineActor, each, from, on } from '../../engine/actor/define.ts';
import { messageOf } from '../../engine/errors.ts';
import { GEAR, LOAD, PREPARE, STATE } from '../../plans/protocol/channels.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';
import { type DriftCoreOptions, DriftMonitorCore, type Replan, type ReplanOutcome } from './drift-monitor-core.ts';

export interface DriftMonitorOptions extends DriftCoreOptions {
  readonly subjects: Pick<Subjects, 'root'>;
  /** True while this controller leads. */
  readonly leading$: Observable<boolean>;
  /** Plans for the measured load and pushes the plan. Emits a sentence about the outcome; errors when that fails. */
  readonly replan: () => Observable<string>;
}

const REPORT_INTERVAL_MS = 1_000;

/** Compares the load and the certainties with what the plan expects, and reports drift. */
export function driftMonitorActor(options: DriftMonitorOptions): Actor {
  return defineActor<DriftMonitorCore, Replan, ReplanOutcome>({
    name: 'drift-monitor',
    description: 'compares load and certainties with what the plan expects',
    root: options.subjects.root,
    core: (now, _, before) => new DriftMonitorCore(options, now, before),
    reactions: [
      on(LOAD, (core, report) => core.onLoad(report)),
      on(STATE, (core, state) => core.onState(state)),
      on(PREPARE, (core, plan) => core.onPrepare(plan)),
      on(GEAR, (core, gear, now) => core.onGear(gear, now)),
      from(
        () => options.leading$,
        (core, leading) => core.lead(leading),
      ),
      each(REPORT_INTERVAL_MS, (core, now) => core.tick(now)),
    ],
    tasks: () => () =>
      defer(options.replan).pipe(
        map((text): ReplanOutcome => ({ state: 'done', text })),
        catchError((error) => of<ReplanOutcome>({ state: 'failed', text: messageOf(error) })),
      ),
    onOutcome: (core, outcome) => core.onReplanned(outcome),
  });
}
