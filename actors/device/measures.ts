import type { ModelMeasures } from '../../plans/protocol/control-messages.ts';
import { Histogram, SIZE_BOUNDS, TIME_BOUNDS_MS } from '../../plans/protocol/histogram.ts';
import { EXITS, type Result } from '../../plans/protocol/messages.ts';

interface OfModel {
  /** Gear -> answers by exit. */
  readonly answers: Map<number, number[]>;
  readonly totalMs: Histogram;
  readonly queueMs: Histogram;
  readonly computeMs: Histogram;
  readonly batchSize: Histogram;
  readonly batchMs: Histogram;
}

/** Counts what metrics report about a device: answers, their times, batches. Runs for each answer, so it only counts. */
export class Measures {
  readonly #models = new Map<string, OfModel>();

  answered({ model, gear, exit, timing }: Result): void {
    const { answers, totalMs, queueMs, computeMs } = this.#of(model);
    let byExit = answers.get(gear);
    if (byExit === undefined) {
      byExit = EXITS.map(() => 0);
      answers.set(gear, byExit);
    }
    byExit[EXITS.indexOf(exit)]++;
    totalMs.observe(timing.totalMs);
    queueMs.observe(timing.queueMs);
    computeMs.observe(timing.computeMs);
  }

  batch(model: string, size: number, ms: number): void {
    const { batchSize, batchMs } = this.#of(model);
    batchSize.observe(size);
    batchMs.observe(ms);
  }

  /** Since the start. */
  get snapshot(): ModelMeasures[] {
    return [...this.#models].map(([model, { answers, totalMs, queueMs, computeMs, batchSize, batchMs }]) => ({
      model,
      answers: [...answers].map(([gear, exits]) => ({ gear, exits: [...exits] })),
      totalMs: totalMs.told,
      queueMs: queueMs.told,
      computeMs: computeMs.told,
      batchSize: batchSize.told,
      batchMs: batchMs.told,
    }));
  }

  #of(model: string): OfModel {
    let of = this.#models.get(model);
    if (of === undefined) {
      const times = (): Histogram => new Histogram(TIME_BOUNDS_MS);
      of = {
        answers: new Map(),
        totalMs: times(),
        queueMs: times(),
        computeMs: times(),
        batchSize: new Histogram(SIZE_BOUNDS),
        batchMs: times(),
      };
      this.#models.set(model, of);
    }
    return of;
  }
}
