import { catchError, defer, EMPTY, exhaustMap, merge, type Observable, Subject, takeUntil, tap } from 'rxjs';
import type { Actor } from '../../engine/actor/actor.ts';
import { Channels } from '../../engine/actor/channel.ts';
import { every } from '../../engine/clock.ts';
import { messageOf } from '../../engine/errors.ts';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import type { Profile } from '../../plans/domain/profile/profile.ts';
import type { AuditBounds } from '../../plans/drift/audit-estimate.ts';
import { DRIFT, GEAR, LOAD, PREPARE, STATE } from '../../plans/protocol/channels.ts';
import type { GearMessage, PrepareMessage } from '../../plans/protocol/control-messages.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';
import { DriftWatch } from './drift-watch.ts';
import { publishEvent } from './events.ts';
import { keepPlan } from './kept-plans.ts';
import type { Revision } from './plan-history.ts';

export interface DriftMonitorOptions {
  readonly subjects: Subjects;
  /** The plan to begin with. */
  readonly start: Revision;
  /** The profile of the weights that a plan names, where it is known: without it neither certainties nor audits can be judged. */
  readonly profileOf: (plan: GearPlan) => Pick<Profile, 'models'> | undefined;
  readonly settings: Deployment['drift'];
  /** Undefined: nothing is audited. */
  readonly audit?: AuditBounds | undefined;
  /** True while this controller leads: all measure, so that each can take over; one tells. */
  readonly leading$: Observable<boolean>;
  /** Plans for the measured load and pushes the plan; emits how it ended, in words, and errors when it could not. */
  readonly replan: () => Observable<string>;
}

const TELL_INTERVAL_MS = 1_000;

/** Compares load and certainties with what the plan was made for, and says when they have drifted apart. */
export function driftMonitorActor(options: DriftMonitorOptions): Actor {
  const { subjects, profileOf, settings, audit } = options;
  return {
    name: 'drift-monitor',
    description: 'compares load and certainties with what was planned for',
    behaviour: ({ bus, clock, log, drops, stopping$ }) => {
      const channels = new Channels(subjects.root, { bus, drops });
      const plans = new Map([[options.start.revision, options.start.plan]]);
      const watchOf = (start: Revision): DriftWatch => new DriftWatch(start, profileOf(start.plan), settings, clock.now(), audit);
      let watch = watchOf(options.start);
      let leading = false;
      let replannedAt = Number.NEGATIVE_INFINITY;
      const wanted$ = new Subject<void>();

      const learn = ({ revision, plan }: PrepareMessage): void => {
        keepPlan(plans, revision, plan, watch.revision);
      };

      /** Another plan was made for another load: what was measured before is in other ranges. */
      const observeGear = ({ revision }: GearMessage): void => {
        const plan = plans.get(revision);
        if (revision === watch.revision || plan === undefined) return;
        watch = watchOf({ revision, plan });
      };

      const tick = (): void => {
        const { report, events } = watch.tick(clock.now());
        if (!leading) return;
        channels.send(DRIFT, report);
        for (const event of events) {
          log[event.state === 'begins' || event.state === 'loss' ? 'warn' : 'info']({ ...event }, event.type);
          publishEvent(bus, subjects, event);
        }
        const due = clock.now() - replannedAt >= settings.replanIntervalMs;
        if (report.qps.drifted && settings.replan === 'auto' && due) wanted$.next();
      };

      const replan = (): Observable<unknown> => {
        replannedAt = clock.now();
        log.info('plans for the measured load');
        publishEvent(bus, subjects, { type: 'replan', state: 'begins' });
        const ended = (state: 'done' | 'failed', text: string): void => {
          log[state === 'done' ? 'info' : 'error']({ outcome: text }, 'planning for the measured load has ended');
          publishEvent(bus, subjects, { type: 'replan', state, text });
        };
        return defer(options.replan).pipe(
          tap((text) => ended('done', text)),
          // The running plan serves on; the next attempt has its turn after the interval.
          catchError((error) => {
            ended('failed', messageOf(error));
            return EMPTY;
          }),
        );
      };

      return merge(
        channels.receive$(LOAD).pipe(tap((report) => watch.load(report))),
        channels.receive$(STATE).pipe(tap((state) => watch.state(state))),
        channels.receive$(PREPARE).pipe(tap(learn)),
        channels.receive$(GEAR).pipe(tap(observeGear)),
        options.leading$.pipe(
          tap((now) => {
            leading = now;
          }),
        ),
        every(clock, TELL_INTERVAL_MS).pipe(tap(tick)),
        // One at a time: while it plans, what else would want it is dropped.
        wanted$.pipe(exhaustMap(replan)),
      ).pipe(takeUntil(stopping$));
    },
  };
}
