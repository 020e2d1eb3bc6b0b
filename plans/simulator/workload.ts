import type { Random } from '../../engine/random.ts';
import { shuffled } from '../data/shuffled.ts';
import { poissonArrivals, type Trace } from '../traces/trace.ts';

/** Requests and when they are sent. Request i is validation sample `sampleOrder[i % samples]`, in random order so that a short run does not see only one part of the samples. */
export interface Workload {
  /** Intended send times, ascending. */
  readonly arrivalsMs: Float64Array;
  readonly sampleOrder: Int32Array;
  /** Length of the run by intended send time. */
  readonly seconds: number;
}

/** The workload of a trace: the same arrivals as `load` generates from the same trace and seed. */
export function traceWorkload(trace: Trace, samples: number, random: Random): Workload {
  return {
    arrivalsMs: poissonArrivals(trace, random.split('arrivals')),
    sampleOrder: shuffled(samples, random.split('samples')),
    seconds: trace.qps.length,
  };
}
