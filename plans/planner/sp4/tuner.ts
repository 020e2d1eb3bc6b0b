import { carryRange } from './carry-range.ts';
import { estimateLatency } from './estimate-latency.ts';
import { tuneRange } from './tune-range.ts';
import type { TuningContext } from './tuning-context.ts';
import type { Tuner, TuningAnswer, TuningJob } from './tuning-job.ts';

/** Runs jobs on this thread. */
export function inlineTuner(context: TuningContext): Tuner {
  return {
    answer: async (jobs) => jobs.map((job) => answerJob(job, context)),
    close: async () => undefined,
  };
}

const ANSWERS = { tune: tuneRange, estimate: estimateLatency, carry: carryRange };

export function answerJob(job: TuningJob, context: TuningContext): TuningAnswer {
  const before = context.simulations;
  const tuning = ANSWERS[job.type](job, context);
  return { tuning, simulations: context.simulations - before };
}
