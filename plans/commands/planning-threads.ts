import { availableParallelism } from 'node:os';

/** More threads would wait for each other: a planner runs as many simulations at once as there are ranges. */
const MAX_THREADS = 8;

/** Worker threads for planning from the command line: one per core, but none on a single core. */
export function planningThreads(): number {
  const cores = availableParallelism();
  return cores < 2 ? 0 : Math.min(MAX_THREADS, cores);
}
