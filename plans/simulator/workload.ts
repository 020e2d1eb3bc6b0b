import type { Random } from '../../engine/random.ts';
import { poissonArrivals, type Trace } from '../trace.ts';

/** What is asked of the system, and when. Request i is validation sample `sampleOrder[i % samples]`. */
export interface Workload {
  /** Intended send times, ascending. */
  readonly arrivalsMs: Float64Array;
  readonly sampleOrder: Int32Array;
  /** Length of the run by intended send time. */
  readonly seconds: number;
}

/** All validation samples in random order, so that a short run does not see one part of them only. */
export function shuffledSamples(samples: number, random: Random): Int32Array {
  const order = Int32Array.from({ length: samples }, (_, i) => i);
  for (let i = samples - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** The workload of a trace: the same arrivals as `load` makes of the same trace and seed. */
export function traceWorkload(trace: Trace, samples: number, random: Random): Workload {
  return {
    arrivalsMs: poissonArrivals(trace, random.split('arrivals')),
    sampleOrder: shuffledSamples(samples, random.split('samples')),
    seconds: trace.qps.length,
  };
}
