import { filter, type Observable } from 'rxjs';
import type { Actor } from '../../engine/actor/actor.ts';
import { asked, defineActor, each, from, on, onlyWhile } from '../../engine/actor/define.ts';
import { COMMIT, GEAR, PLAN, PREPARE, PREPARED, STATE, TELL_PLAN } from '../../plans/protocol/channels.ts';
import { PlanKeeperCore, type PlanKeeperCoreOptions } from './plan-keeper-core.ts';
import { type PlanOutcome, type PlanTask, type PlanTaskOptions, planTasks } from './plan-keeper-tasks.ts';

export interface PlanKeeperOptions extends PlanKeeperCoreOptions, PlanTaskOptions {
  /** True while this controller leads. */
  readonly leading$: Observable<boolean>;
}

const CHECK_INTERVAL_MS = 100;

/**
 * Keeps the deployment's plan. Takes new plans from operators, has the devices load their new replicas alongside the old ones, and puts
 * a plan in force once all devices are ready, or not at all. Announces the plan to processes that missed it.
 */
export function planKeeperActor(options: PlanKeeperOptions): Actor {
  return defineActor<PlanKeeperCore, PlanTask, PlanOutcome>({
    name: 'plan-keeper',
    description: 'changes the gear plan without loss',
    root: options.subjects.root,
    core: (_now, _context, before) => new PlanKeeperCore(options, before),
    reactions: [
      on(STATE, (core, state, now) => core.onState(state, now)),
      on(PREPARED, (core, prepared, now) => core.onPrepared(prepared, now)),
      on(PREPARE, (core, prepare) => core.onPrepare(prepare)),
      on(COMMIT, (core, verdict) => core.onCommit(verdict)),
      from(
        () => options.leading$,
        (core, leading) => core.lead(leading),
      ),
      each(CHECK_INTERVAL_MS, (core, now) => core.tick(now)),
      onlyWhile(
        (core) => core.leads,
        asked(PLAN, (core, order) => core.onOrder(order)),
        on(GEAR, (core, gear, now) => core.onGear(gear, now)),
        on(TELL_PLAN, (core, _, now) => core.onPlanRequested(now)),
        from(
          (_, { bus }) => bus.losses$.pipe(filter(({ kind, name }) => kind === 'bucket' && name === options.bucket)),
          (core) => core.onHistoryLost(),
        ),
      ),
    ],
    tasks: planTasks(options),
    onOutcome: (core, outcome, now) => core.onOutcome(outcome, now),
    onStop: (core) => core.stop(),
    isDrained: (core) => core.isDrained,
  });
}
