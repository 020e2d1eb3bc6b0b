/**
 * The thread that wakes the generator's main thread when requests are due: a blocked thread is on time to some 0.1 ms, timers of
 * an event loop are not. JavaScript, so that the thread needs no loader.
 */
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';

/** @type {{ schedule: Float64Array, beginMs: number, leastPauseMs: number }} */
const { schedule, beginMs, leastPauseMs } = workerData;
// On a machine whose cores are all at work a thread that wakes would wait for its turn.
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
  // Before the message: who reads it at once must find due what counts as sent here.
  const wokenMs = nowMs();
  parentPort.postMessage(0);
  earliestMs = wokenMs + leastPauseMs;
  while (next < schedule.length && schedule[next] <= wokenMs) next++;
}
