/**
 * The thread that wakes the generator's main thread when requests are due: a blocked thread wakes up accurate to about 0.1 ms, event
 * loop timers do not. Plain JavaScript, so that the thread needs no loader.
 */
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';

/** @type {{ schedule: Float64Array, beginMs: number, leastPauseMs: number }} */
const { schedule, beginMs, leastPauseMs } = workerData;
// On a machine whose cores are all busy, a thread that wakes up would otherwise wait for its turn.
setPriority(Number(readlinkSync('/proc/thread-self').split('/').at(-1)), -10);
const never = new Int32Array(new SharedArrayBuffer(4));

function nowMs() {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6 - beginMs;
}

let earliestMs = 0;
for (let next = 0; next < schedule.length; ) {
  const waitMs = Math.max(schedule[next], earliestMs) - nowMs();
  if (waitMs > 0) Atomics.wait(never, 0, 0, waitMs);
  // Before the message, so that a reader that handles it at once finds these requests due.
  const wokenMs = nowMs();
  parentPort.postMessage(0);
  earliestMs = wokenMs + leastPauseMs;
  while (next < schedule.length && schedule[next] <= wokenMs) next++;
}
