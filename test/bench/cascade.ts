/**
 * What a cascade saves: the cheapest cascade that is as right as the largest model on the validation samples, against that
 * model alone: compute per sample by the profile, and live, both served for real under the same load, in turn.
 *
 * Usage: npm run bench:cascade [-- rounds]
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { startNatsServer } from '../../engine/nats-server.ts';
import { loadDeployment } from '../../plans/deployment.ts';
import { describeCascade, type GearPlan, type Stage } from '../../plans/gear-plan.ts';
import { accuracyOf } from '../../plans/profile.ts';
import { readProfile } from '../../plans/profile-file.ts';
import { cascadeJson, runCascade } from '../support/cascade.ts';
import { type LiveRun, oneGearPlan, runLive } from './live-plan.ts';
import { median, writeResult } from './machine.ts';

const ROUNDS = Number(process.argv[2] ?? 5);
const SECONDS = 8;
/** Fraction of what the largest model alone can carry: both must keep up. */
const LOAD = 0.7;
const TARGET = 3.8;

const folder = mkdtempSync(join(tmpdir(), 'cascade-bench-'));
const files = { profile: 'conf/fashion/profile.json', plan: join(folder, 'plan.json') };
const profiled = await runCascade(['profile', 'conf/fashion']);
if (profiled.code !== 0) throw new Error(profiled.stderr);
const profile = readProfile(files.profile);
const plan = await cascadeJson<GearPlan>(['plan', 'conf/fashion', '--out', files.plan]);
const device = loadDeployment('conf/fashion').devices[0].id;
const largest = profile.models[profile.models.length - 1];
const alone: Stage[] = [{ model: largest.name }];
const accuracy = accuracyOf(profile, largest);
const [kind] = Object.keys(largest.runtimes);
const { batch, ms } = largest.runtimes[kind];
/** Both wait for batches of this size, the largest model's best, so that what differs is the cascade. */
const minQueueLength = batch[batch.length - 1];
const largestQps = (1_000 * minQueueLength) / ms[ms.length - 1];

// The frontier is cheapest first and ascends in accuracy.
const cheapest = plan.frontier.find((point) => point.accuracy >= accuracy);
const alonePoint = plan.frontier.find((point) => point.cascade.length === 1 && point.cascade[0].model === largest.name);
if (cheapest === undefined) throw new Error('no cascade reaches the accuracy of the largest model');
const aloneComputeMs = alonePoint?.computeMs ?? Math.min(...batch.map((size, i) => ms[i] / size));

const server = await startNatsServer();
const bus = await connectNats({ servers: server.url });
const runs: Record<'alone' | 'cascade', LiveRun[]> = { alone: [], cascade: [] };
try {
  for (let round = 0; round < ROUNDS; round++) {
    for (const key of round % 2 === 0 ? (['alone', 'cascade'] as const) : (['cascade', 'alone'] as const)) {
      const gear = oneGearPlan({
        models: profile.models.map((model) => model.name),
        device,
        cascade: key === 'alone' ? alone : cheapest.cascade,
        accuracy: key === 'alone' ? accuracy : cheapest.accuracy,
        minQueueLength,
        maxWaitMs: 50,
      });
      runs[key].push(await runLive(bus, server.url, gear, Math.round(LOAD * largestQps), SECONDS));
    }
  }
} finally {
  await bus.close();
  await server.stop();
}

const live = (key: keyof typeof runs) => ({
  computeMsPerSample: median(runs[key].map((run) => run.computeMsPerRequest)),
  accuracy: median(runs[key].map((run) => run.report.accuracy ?? 0)),
  p95Ms: median(runs[key].map((run) => run.report.latencyMs.p95 ?? Number.NaN)),
  errors: runs[key].reduce((sum, { report }) => sum + report.errors + report.lost + report.rejected, 0),
});
const result = {
  qps: Math.round(LOAD * largestQps),
  cascade: describeCascade(cheapest.cascade),
  byProfile: {
    alone: { accuracy, computeMsPerSample: aloneComputeMs },
    cascade: { accuracy: cheapest.accuracy, computeMsPerSample: cheapest.computeMs },
    ratio: aloneComputeMs / cheapest.computeMs,
  },
  live: {
    alone: live('alone'),
    cascade: live('cascade'),
    ratio: median(runs.alone.map((run, i) => run.computeMsPerRequest / runs.cascade[i].computeMsPerRequest)),
  },
  target: TARGET,
};
console.dir(result, { depth: null });
console.log(`written to ${writeResult('cascade', { rounds: ROUNDS, seconds: SECONDS, ...result })}`);
