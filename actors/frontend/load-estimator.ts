import { merge, type Observable, takeUntil, tap } from 'rxjs';
import type { Actor } from '../../engine/actor/actor.ts';
import { Channels } from '../../engine/actor/channel.ts';
import { every } from '../../engine/clock.ts';
import { LOAD_INTERVAL_MS } from '../../plans/policy/gear-choice.ts';
import { LOAD } from '../../plans/protocol/channels.ts';
import type { DropCounts, LoadReport } from '../../plans/protocol/control-messages.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';
import type { Unserved } from '../../plans/protocol/unserved.ts';

/** Counts a frontend's arrivals and tells the gear-controller every 100 ms (CascadeServe §5). */
export function loadEstimatorActor(options: {
  frontend: string;
  subjects: Subjects;
  arrivals$: Observable<number>;
  /** What the frontend has dropped so far. */
  dropped?: () => DropCounts;
  /** Requests that it gave no result so far. */
  unserved?: Unserved;
  /** Default: this process's. */
  pid?: number;
}): Actor {
  const { frontend, subjects, arrivals$, dropped, unserved, pid = process.pid } = options;
  return {
    name: `load-estimator-${frontend}`,
    description: 'reports the arrivals per interval of its frontend',
    behaviour: ({ bus, clock, drops, stopping$ }) => {
      const channels = new Channels(subjects.root, { bus, drops });
      let count = 0;
      let since = clock.now();
      const counting$ = arrivals$.pipe(tap((arrivals) => (count += arrivals)));
      const reporting$ = every(clock, LOAD_INTERVAL_MS).pipe(
        tap(() => {
          // A busy event loop ticks late, and soon after that again: what counts is the time that passed.
          const intervalMs = clock.now() - since;
          if (intervalMs < LOAD_INTERVAL_MS / 2) return;
          const report: LoadReport = {
            frontend,
            pid,
            intervalMs,
            arrivals: count,
            ...(dropped === undefined ? {} : { dropped: dropped() }),
            ...(unserved === undefined ? {} : { unserved: unserved.counts }),
          };
          count = 0;
          since += intervalMs;
          channels.send(LOAD, report, { frontend });
        }),
      );
      return merge(counting$, reporting$).pipe(takeUntil(stopping$));
    },
  };
}
