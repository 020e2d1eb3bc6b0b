import type { Observable } from 'rxjs';
import type { Actor } from '../../engine/actor/actor.ts';
import { defineActor, each, from } from '../../engine/actor/define.ts';
import { type Effect, NO_EFFECTS, send } from '../../engine/actor/effect.ts';
import { LOAD_INTERVAL_MS } from '../../plans/policy/gear-choice.ts';
import { LOAD } from '../../plans/protocol/channels.ts';
import type { DropCounts, LoadReport } from '../../plans/protocol/control-messages.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';
import type { Unserved } from '../../plans/protocol/unserved.ts';

export interface LoadEstimatorOptions {
  readonly frontend: string;
  readonly subjects: Pick<Subjects, 'root'>;
  readonly arrivals$: Observable<number>;
  /** Messages the frontend has dropped so far. */
  readonly dropped?: () => DropCounts;
  /** Requests that got no result so far. */
  readonly unserved?: Unserved;
  /** Default: this process's. */
  readonly pid?: number;
}

/** Counts a frontend's arrivals and reports them to the gear-controller every 100 ms (CascadeServe §5). */
export function loadEstimatorActor(options: LoadEstimatorOptions): Actor {
  const { frontend, subjects, arrivals$ } = options;
  return defineActor<ArrivalCount>({
    name: `load-estimator-${frontend}`,
    description: 'reports the arrivals per interval of its frontend',
    hot: true,
    root: subjects.root,
    core: (now) => new ArrivalCount(options, now),
    reactions: [
      from(
        () => arrivals$,
        (count, arrivals) => count.add(arrivals),
      ),
      each(LOAD_INTERVAL_MS, (count, now) => count.report(now)),
    ],
  });
}

/** Arrivals since the last report. */
export class ArrivalCount {
  readonly #options: Omit<LoadEstimatorOptions, 'subjects' | 'arrivals$'>;
  #arrivals = 0;
  #since: number;

  constructor(options: Omit<LoadEstimatorOptions, 'subjects' | 'arrivals$'>, now: number) {
    this.#options = options;
    this.#since = now;
  }

  add(arrivals: number): readonly Effect[] {
    this.#arrivals += arrivals;
    return NO_EFFECTS;
  }

  /** A busy event loop ticks late, and then soon again, so we use the time that has actually passed. */
  report(now: number): readonly Effect[] {
    const intervalMs = now - this.#since;
    if (intervalMs < LOAD_INTERVAL_MS / 2) return NO_EFFECTS;
    const { frontend, dropped, unserved, pid = process.pid } = this.#options;
    const report: LoadReport = {
      frontend,
      pid,
      intervalMs,
      arrivals: this.#arrivals,
      ...(dropped === undefined ? {} : { dropped: dropped() }),
      ...(unserved === undefined ? {} : { unserved: unserved.counts }),
    };
    this.#arrivals = 0;
    this.#since = now;
    return [send(LOAD, report, { frontend })];
  }
}
