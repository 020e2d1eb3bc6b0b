/**
 * What a cascade saves: compares a cascade that is at least as accurate as the largest model on the validation samples with that model
 * alone. Compute per sample is taken from the profile (inference at each model's best batch size, as in CascadeServe) and measured
 * live (time for which the device is occupied). Both are served in turn, each at the same fraction of its capacity according to the
 * profile, so that their batches are alike.
 *
 * Usage: npm run bench:cascade [-- rounds]
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { evaluateCascade, validationRecords } from '../../plans/domain/cascade/cascade.ts';
import { loadDeployment } from '../../plans/domain/deployment/read-deployment.ts';
import { describeCascade, type GearPlan, type Stage } from '../../plans/domain/gear-plan/gear-plan.ts';
import { accuracyOf, largestBatch } from '../../plans/domain/profile/profile.ts';
import { readProfile } from '../../plans/domain/profile/profile-file.ts';
import { planWeights } from '../../plans/planner/cycle/plan-weights.ts';
import { cascadeJson, runCascade } from '../support/cascade.ts';
import { type LiveRun, oneGearPlan, runLive } from './live-plan.ts';
import { median, writeResult } from './machine.ts';

const ROUNDS = Number(process.argv[2] ?? 5);
const SECONDS = 8;
/** Fraction of each one's capacity according to the profile. */
const LOAD = 0.6;
const TARGET = 3.8;
/** Queues wait for batches of this size, or of the largest profiled one if that is smaller. */
const MOST_BATCH = 16;

const folder = mkdtempSync(join(tmpdir(), 'cascade-bench-'));
const files = { profile: 'conf/fashion/profile.json', plan: join(folder, 'plan.json') };
const profiled = await runCascade(['profile', 'conf/fashion']);
if (profiled.code !== 0) throw new Error(profiled.stderr);
const profile = readProfile(files.profile);
const plan = await cascadeJson<GearPlan>(['plan', 'conf/fashion', '--out', files.plan]);
const device = loadDeployment('conf/fashion').devices[0].id;
const largest = profile.models[profile.models.length - 1];
const alone: Stage[] = [{ model: largest.name }];
const accuracy = accuracyOf(largest);
const [kind] = Object.keys(largest.runtimes);
/** Inference time per sample at the best batch size. Not from the plan, whose figures include the cost of serving. */
const bestMs = profile.models.map(({ runtimes }) =>
  Math.min(...runtimes[kind].batch.map((size, i) => runtimes[kind].ms[i] / size)),
);
const records = validationRecords(profile);
const computeMsOf = (stages: readonly Stage[]): number => {
  const models = stages.map(({ model }) => profile.models.findIndex(({ name }) => name === model));
  const thresholds = stages.slice(0, -1).map(({ threshold }) => threshold!);
  return evaluateCascade(records, models, thresholds).reach.reduce((sum, reach, i) => sum + reach * bestMs[models[i]], 0);
};
const aloneComputeMs = computeMsOf(alone);
// The frontier is cheapest first.
const chosen = plan.frontier.find((point) => point.accuracy >= accuracy);
if (chosen === undefined) throw new Error('no cascade reaches the accuracy of the largest model');
const chosenComputeMs = computeMsOf(chosen.cascade);
const qps = { alone: Math.round((1_000 * LOAD) / aloneComputeMs), cascade: Math.round((1_000 * LOAD) / chosen.computeMs) };

const server = await startNatsServer();
const bus = await connectNats({ servers: server.url });
const runs: Record<'alone' | 'cascade', LiveRun[]> = { alone: [], cascade: [] };
try {
  for (let round = 0; round < ROUNDS; round++) {
    for (const key of round % 2 === 0 ? (['alone', 'cascade'] as const) : (['cascade', 'alone'] as const)) {
      const gear = oneGearPlan({
        weights: planWeights(profile),
        device,
        cascade: key === 'alone' ? alone : chosen.cascade,
        accuracy: key === 'alone' ? accuracy : chosen.accuracy,
        minQueueLength: Object.fromEntries(
          profile.models.map((model) => [model.name, Math.min(MOST_BATCH, largestBatch(model.runtimes[kind]))]),
        ),
        maxWaitMs: 20,
      });
      runs[key].push(await runLive(bus, server.url, gear, qps[key], SECONDS));
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
  qps,
  cascade: describeCascade(chosen.cascade),
  byProfile: {
    alone: { accuracy, computeMsPerSample: aloneComputeMs },
    cascade: { accuracy: chosen.accuracy, computeMsPerSample: chosenComputeMs },
    ratio: aloneComputeMs / chosenComputeMs,
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
