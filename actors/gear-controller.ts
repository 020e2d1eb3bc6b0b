import { merge, takeUntil, tap } from 'rxjs';
import type { Actor } from '../engine/actor/actor.ts';
import { every } from '../engine/clock.ts';
import { decode, encode } from '../engine/wire/codec.ts';
import type { DeviceState, GearMessage, LoadReport } from '../engine/wire/messages.ts';
import type { Subjects } from '../engine/wire/subjects.ts';
import type { CompiledPlan } from '../plans/policy/compiled-plan.ts';
import type { GearRule } from '../plans/policy/gear-choice.ts';
import { GearControl, STALE_AFTER_MS } from './gear-control.ts';

export interface GearControllerOptions {
  readonly subjects: Subjects;
  readonly plan: CompiledPlan;
  readonly revision: number;
  readonly rule: GearRule;
}

/** The gear in force is said again this often, for those who joined or missed it. */
const REPEAT_INTERVAL_MS = 1_000;

/** Adds up the load of all frontends and puts the gear for it in force: a table look-up (CascadeServe §5). */
export function gearControllerActor(options: GearControllerOptions): Actor {
  return {
    name: 'gear-controller',
    description: 'chooses the gear for the measured load',
    behaviour: ({ bus, clock, stopping$ }) => {
      const core = new GearControl(options.plan, options.rule, clock.now());
      const publish = (): void => {
        const message: GearMessage = { revision: options.revision, gear: core.gear, epoch: core.epoch };
        bus.publish(options.subjects.gear, encode(message));
      };
      const decide = (): void => {
        const change = core.decide(clock.now());
        if (change === undefined) return;
        publish();
        bus.publish(options.subjects.events, encode({ type: 'gear', revision: options.revision, ...change }));
      };
      publish();
      return merge(
        bus.messages$(options.subjects.allLoad).pipe(
          tap(({ data }) => {
            // A frontend that has just started acts on the first gear until it is told of another.
            if (core.load(decode<LoadReport>(data), clock.now())) publish();
            decide();
          }),
        ),
        bus.messages$(options.subjects.allState).pipe(tap(({ data }) => core.state(decode<DeviceState>(data), clock.now()))),
        // Reports that stay away mean less load, too.
        every(clock, STALE_AFTER_MS).pipe(tap(decide)),
        every(clock, REPEAT_INTERVAL_MS).pipe(tap(publish)),
      ).pipe(takeUntil(stopping$));
    },
  };
}
