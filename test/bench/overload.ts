/**
 * Overload: three times the capacity of the deployment for 30 seconds, on emulated devices behind a real nats-server. Capacity is
 * measured first in the same run, with enough requests in flight to fill the largest batches. Prints goodput over capacity, the latency
 * of refusals, the memory of frontend and device processes over time, and the recovery.
 *
 * Usage: npm run bench:overload [-- seconds]
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createClient, type SharedClient } from '../../actors/client/client.ts';
import { type LoadOutcome, type LoadRunEnd, runOpenLoop } from '../../actors/load/open-loop.ts';
import { requestStatus } from '../../actors/operator/ask-status.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { realClock } from '../../engine/clock.ts';
import { createRandom } from '../../engine/random.ts';
import { loadDeployment } from '../../plans/domain/deployment/read-deployment.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { poissonArrivals } from '../../plans/traces/trace.ts';
import { profileAndPlan, startCascade } from '../support/cascade.ts';
import { median, writeResult } from './machine.ts';
import { processorSeconds } from './processor-time.ts';

const OVERLOAD_SECONDS = Number(process.argv[2] ?? 30);
const OVERLOAD = 3;
const CAPACITY_SECONDS = 8;
const IN_FLIGHT = 256;
const SAMPLES = 1_000;
const DEADLINE_MS = 1_000;
/** Two devices with batches of up to 32 in 42 ms. */
const PROFILED_QPS = (2 * 32 * 1_000) / 42;
const DEPLOYMENT = `name: overload
synthetic:
  models: [ { name: only, accuracy: 0.9, fixed: 10ms, perSample: 1ms, memory: 1GB } ]
  samples: ${SAMPLES}
  batches: [1, 2, 4, 8, 16, 32]
devices:
  - { id: a, kind: emulated, like: gpu, memory: 16GB }
  - { id: b, kind: emulated, like: gpu, memory: 16GB }
slo: { p95: 400ms }
load: { qpsMax: 1200, ranges: 1 }
deadline: ${DEADLINE_MS}
`;

const inputsOf = (sample: number) => ({ sample: Int32Array.of(sample) });

/** Closed loop with a constant number of requests in flight: results per second, in the median second. */
async function capacityQps(client: SharedClient): Promise<number> {
  const warmAt = performance.now() + 2_000;
  const endAt = warmAt + 1_000 * CAPACITY_SECONDS;
  const bySecond = new Array<number>(CAPACITY_SECONDS).fill(0);
  const caller = async (_: unknown, index: number): Promise<void> => {
    for (let i = index; performance.now() < endAt; i++) {
      await client.infer(inputsOf(i % SAMPLES), { deadlineMs: 30_000 });
      const now = performance.now();
      if (now >= warmAt && now < endAt) bySecond[Math.floor((now - warmAt) / 1_000)]++;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, caller));
  return median(bySecond);
}

function open(
  bus: Bus,
  client: SharedClient,
  qps: number,
  seconds: number,
  onOutcome: (outcome: LoadOutcome) => void,
): Promise<LoadRunEnd> {
  const trace = { qps: new Float64Array(seconds).fill(qps) };
  return runOpenLoop({
    bus,
    client,
    connection: { servers: [server.url], nats: loadDeployment(file).nats },
    subject: subjectsOf('overload').infer,
    deadlineMs: DEADLINE_MS,
    arrivalsMs: poissonArrivals(trace, createRandom(1)),
    samples: Array.from({ length: SAMPLES }, (_, i) => i),
    inputsOf,
    onOutcome,
  });
}

/** Processor time of a process so far. */
function processorSecondsOf(pid: number): number {
  return Number(execFileSync('ps', ['-o', 'cputimes=', '-p', String(pid)], { encoding: 'utf8' }));
}

/** Resident memory of a process. */
function residentMiB(pid: number): number {
  return Math.round(Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) / 1_024);
}

function percentile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)];
}

const folder = mkdtempSync(join(tmpdir(), 'cascade-overload-'));
const server = await startNatsServer();
const file = join(folder, 'deployment.yaml');
writeFileSync(file, DEPLOYMENT);
await profileAndPlan(folder);
const serving = startCascade(['serve', file, '--nats', server.url, '--log-level', 'warn']);
try {
  process.stderr.write(`${await serving.firstLine}\n`);
  const bus = await connectNats({ servers: server.url, name: 'bench' });
  const client = createClient(bus, realClock, { deployment: 'overload', deadlineMs: DEADLINE_MS });
  const capacity = await capacityQps(client);
  const { frontends, devices } = await requestStatus(bus, subjectsOf('overload'));
  const pids = { frontend: frontends[0].pid, devices: devices[0].pid };

  const memory: { second: number; frontendMiB: number; devicesMiB: number }[] = [];
  const startedAt = performance.now();
  const sampling = setInterval(() => {
    const second = Math.round((performance.now() - startedAt) / 1_000);
    memory.push({ second, frontendMiB: residentMiB(pids.frontend), devicesMiB: residentMiB(pids.devices) });
  }, 1_000);
  const counts = { completed: 0, inTime: 0, rejected: 0, lost: 0, error: 0 };
  const rejectionMs: number[] = [];
  const answerMs: number[] = [];
  const hintsMs: number[] = [];
  const seconds = Array.from({ length: OVERLOAD_SECONDS }, () => ({ inTime: 0, rejectionMs: [] as number[] }));
  // How long this process itself waited for a processor, which the machine adds to every latency measured here.
  const stalls = monitorEventLoopDelay({ resolution: 1 });
  stalls.enable();
  const took = processorSeconds();
  const frontendBefore = processorSecondsOf(pids.frontend);
  const retriesBefore = client.counts.retries;
  const run = await open(bus, client, OVERLOAD * capacity, OVERLOAD_SECONDS, ({ outcome, sentAtMs, latencyMs, error }) => {
    counts[outcome]++;
    const second = seconds[Math.min(OVERLOAD_SECONDS - 1, Math.floor(sentAtMs / 1_000))];
    if (outcome === 'completed') {
      answerMs.push(latencyMs);
      if (latencyMs > DEADLINE_MS) return;
      counts.inTime++;
      second.inTime++;
    } else if (outcome === 'rejected') {
      rejectionMs.push(latencyMs);
      second.rejectionMs.push(latencyMs);
      hintsMs.push(error?.retryAfterMs ?? Number.NaN);
    }
  });
  stalls.disable();
  const processorShare = {
    client: took() / OVERLOAD_SECONDS,
    frontend: (processorSecondsOf(pids.frontend) - frontendBefore) / OVERLOAD_SECONDS,
  };
  // All earlier requests have ended; this is the first request after the overload, on its own.
  const firstAt = performance.now();
  await client.infer(inputsOf(0));
  const firstMs = performance.now() - firstAt;
  const after = { completed: 0, others: 0 };
  await open(bus, client, capacity / 2, 5, ({ outcome }) => after[outcome === 'completed' ? 'completed' : 'others']++);
  clearInterval(sampling);

  const bySecond = seconds.map(({ inTime, rejectionMs: all }) => ({
    inTime,
    rejected: all.length,
    rejectionMsP99: percentile(all, 0.99),
  }));
  const result = {
    capacityQps: capacity,
    profiledQps: PROFILED_QPS,
    overload: OVERLOAD,
    seconds: OVERLOAD_SECONDS,
    deadlineMs: DEADLINE_MS,
    offered: run.sent,
    ...counts,
    duplicates: run.duplicates + client.duplicates,
    generatorLagMs: run.generatorLagMs,
    retries: client.counts.retries - retriesBefore,
    goodputOverCapacity: counts.inTime / OVERLOAD_SECONDS / capacity,
    goodputOverProfiled: counts.inTime / OVERLOAD_SECONDS / PROFILED_QPS,
    /** The median second, because on a busy machine a single stall spoils the overall figures. */
    usual: {
      goodputOverCapacity: median(bySecond.map(({ inTime }) => inTime)) / capacity,
      rejectionMsP99: median(bySecond.map(({ rejectionMsP99 }) => rejectionMsP99)),
    },
    rejectionMs: { p50: percentile(rejectionMs, 0.5), p99: percentile(rejectionMs, 0.99), max: percentile(rejectionMs, 1) },
    answerMs: { p50: percentile(answerMs, 0.5), p99: percentile(answerMs, 0.99) },
    retryAfterMs: { p50: percentile(hintsMs, 0.5), max: percentile(hintsMs, 1) },
    processorShare,
    stallMs: { p99: stalls.percentile(99) / 1e6, max: stalls.max / 1e6 },
    recovery: { firstMs, ...after },
    bySecond,
    memory,
  };
  await client.close();
  const { memory: samples, bySecond: _, ...printed } = result;
  console.log(printed);
  console.table(bySecond);
  console.table(samples.filter((_, i) => i % 5 === 0 || i === samples.length - 1));
  console.log(`written to ${writeResult('overload', result)}`);
} finally {
  // Empty unless a process was lost, which would make the figures misleading.
  process.stderr.write((await serving.stop()).stderr);
  await server.stop();
  rmSync(folder, { recursive: true });
}
