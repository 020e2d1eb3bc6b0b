import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { getHeapCodeStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';

/**
 * Preloaded into each process of the soak (NODE_OPTIONS): records the memory of the process after a forced garbage collection, so that
 * garbage does not look like a leak. Excludes compiled code, which V8 keeps adding for hours.
 */
if (isMainThread && process.env.SOAK_SAMPLES !== undefined) {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  const file = join(process.env.SOAK_SAMPLES, String(process.pid));
  const sample = () => {
    collect();
    const { rss, heapUsed, external } = process.memoryUsage();
    const code = getHeapCodeStatistics();
    const held = heapUsed + external - code.code_and_metadata_size - code.bytecode_and_metadata_size;
    const descriptors = readdirSync('/proc/self/fd').length;
    appendFileSync(file, `${JSON.stringify({ at: Date.now(), args: process.argv.slice(2), rss, held, descriptors })}\n`);
  };
  setInterval(sample, Number(process.env.SOAK_INTERVAL_MS)).unref();
}
