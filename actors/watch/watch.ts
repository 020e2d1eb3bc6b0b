import { exhaustMap, merge, takeUntil, tap } from 'rxjs';
import type { Actor } from '../../engine/actor/actor.ts';
import { every } from '../../engine/clock.ts';
import { messageOf } from '../../engine/errors.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';
import type { Status } from '../controller/status-report.ts';
import { observeDeployment$ } from '../observer/observe-deployment.ts';
import { type Happening, Picture, type Second } from '../observer/picture.ts';
import { requestStatus } from '../operator/ask-status.ts';

/** What was observed in a second, and what is known at its end. */
export interface WatchedSecond {
  readonly second: Second;
  /** All that are kept, newest last. */
  readonly happenings: readonly Happening[];
  /** The last answer; null before the first. */
  readonly status: Status | null;
  /** Why it is outdated; null when it is not. */
  readonly problem: string | null;
}

const SECOND_MS = 1_000;

/** Follows a deployment and reports once a second. */
export function watchActor(options: {
  readonly subjects: Subjects;
  /** The initial status. */
  readonly status: Status;
  readonly onSecond: (watched: WatchedSecond) => void;
}): Actor {
  return {
    name: 'watch',
    description: 'shows the deployment in a terminal',
    behaviour: ({ bus, clock, drops, stopping$ }) => {
      const picture = new Picture();
      let { status } = options;
      let problem: string | null = null;
      const ask = async (): Promise<void> => {
        try {
          status = await requestStatus(bus, options.subjects);
          problem = null;
        } catch (error) {
          problem = messageOf(error);
        }
      };
      return merge(
        observeDeployment$({ bus, clock, drops }, options.subjects, picture),
        every(clock, SECOND_MS).pipe(exhaustMap(ask)),
        every(clock, SECOND_MS).pipe(
          tap(() => {
            const { second } = picture.second(clock.now());
            options.onSecond({ second, happenings: picture.happenings, status, problem });
          }),
        ),
      ).pipe(takeUntil(stopping$));
    },
  };
}
