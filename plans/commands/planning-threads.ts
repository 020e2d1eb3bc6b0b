import { availableParallelism } from 'node:os';

/** Beyond this, threads wait for each other: a planner asks for as many simulations at once as there are ranges. */
const MAX_THREADS = 8;

/** Worker threads for planning from the command line: all cores, but none where there is one only. */
export function planningThreads(): number {
  const cores = availableParallelism();
  return cores < 2 ? 0 : Math.min(MAX_THREADS, cores);
}
