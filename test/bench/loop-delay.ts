/**
 * Delay of a device process's event loop while its inference thread is always busy with the largest model: a device's I/O must not wait
 * for its inference. The load exceeds the model's capacity.
 *
 * Usage: npm run bench:loop-delay
 */
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { loadDeployment } from '../../plans/domain/deployment/read-deployment.ts';
import { accuracyOf, largestBatch } from '../../plans/domain/profile/profile.ts';
import { readProfile } from '../../plans/domain/profile/profile-file.ts';
import { planWeights } from '../../plans/planner/cycle/plan-weights.ts';
import { runCascade } from '../support/cascade.ts';
import { oneGearPlan, runLive } from './live-plan.ts';
import { median, writeResult } from './machine.ts';

const SECONDS = 10;
const TARGET_MS = 5;
const OVERLOAD = 1.2;

const profiled = await runCascade(['profile', 'conf/fashion']);
if (profiled.code !== 0) throw new Error(profiled.stderr);
const profile = readProfile('conf/fashion/profile.json');
const largest = profile.models[profile.models.length - 1];
const [curve] = Object.values(largest.runtimes);
const qps = Math.round(OVERLOAD * Math.max(...curve.batch.map((size, i) => (1_000 * size) / curve.ms[i])));

const server = await startNatsServer();
const bus = await connectNats({ servers: server.url });
try {
  const plan = oneGearPlan({
    weights: planWeights(profile),
    device: loadDeployment('conf/fashion').devices[0].id,
    cascade: [{ model: largest.name }],
    accuracy: accuracyOf(largest),
    minQueueLength: { [largest.name]: largestBatch(curve) },
    maxWaitMs: 20,
  });
  const { report, loopDelayMsP99 } = await runLive(bus, server.url, plan, qps, SECONDS);
  const [utilisation] = Object.values(report.deviceUtilisation ?? {});
  const sorted = [...loopDelayMsP99].sort((a, b) => a - b);
  const result = {
    qps,
    batch: largestBatch(curve),
    batchMs: curve.ms[curve.ms.length - 1],
    utilisation,
    heartbeats: sorted.length,
    /**
     * Each heartbeat's p99 covers 100 ms of 1-ms samples, so it is about their maximum. At most a hundredth of `intervalsAboveTarget` of
     * all samples are above the target, so the p99 of the run is within it while that share is below 1.
     */
    intervalsAboveTarget: sorted.filter((delay) => delay > TARGET_MS).length / sorted.length,
    loopDelayMsP99: {
      median: median(sorted),
      p99OfIntervals: sorted[Math.ceil(0.99 * sorted.length) - 1],
      max: sorted[sorted.length - 1],
    },
    targetMs: TARGET_MS,
  };
  console.dir(result, { depth: null });
  console.log(`written to ${writeResult('loop-delay', result)}`);
} finally {
  await bus.close();
  await server.stop();
}
