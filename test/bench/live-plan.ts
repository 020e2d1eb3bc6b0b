import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bus } from '../../engine/bus/bus.ts';
import { type GearPlan, PLAN_SCHEMA, type Stage } from '../../plans/domain/gear-plan/gear-plan.ts';
import { writePlan } from '../../plans/domain/gear-plan/plan-file.ts';
import { decode } from '../../plans/protocol/codec.ts';
import type { DeviceState } from '../../plans/protocol/control-messages.ts';
import type { Report } from '../../plans/report/report.ts';
import { cascadeJson, startCascade } from '../support/cascade.ts';

/** A plan with one gear, which runs one cascade on one device at any load. */
export function oneGearPlan(options: {
  weights: GearPlan['weights'];
  device: string;
  cascade: readonly Stage[];
  accuracy: number;
  /** Per model. */
  minQueueLength: Readonly<Record<string, number>>;
  maxWaitMs: number;
}): GearPlan {
  const { weights, device, cascade, accuracy, minQueueLength, maxWaitMs } = options;
  const [first] = cascade;
  return {
    schema: PLAN_SCHEMA,
    deployment: 'fashion',
    digest: 'bench',
    synthetic: false,
    slo: { p95: 1_000 },
    models: Object.keys(weights),
    weights,
    devices: [device],
    placement: cascade.map(({ model }) => ({ model, device })),
    gears: [
      {
        qps: [0, 100_000],
        cascade: [...cascade],
        shares: Object.fromEntries(cascade.map(({ model }) => [model, { [device]: 1 }])),
        minQueueLength: Object.fromEntries(cascade.map(({ model }) => [model, { [device]: minQueueLength[model] }])),
        maxWaitMs,
        expected: {
          accuracy,
          accuracyInterval: [accuracy, accuracy],
          latencyMs: { p50: 0, p95: 0, p99: 0 },
          utilisation: {},
          bottleneck: first.model,
        },
      },
    ],
    expected: { accuracy, accuracyInterval: [accuracy, accuracy], latencyMsP95: 0 },
    qpsWeights: [1],
    frontier: [],
    search: {},
  };
}

export interface LiveRun {
  readonly report: Report;
  /** Inference time per answered request. */
  readonly computeMsPerRequest: number;
  /** p99 of the event loop's delay under load, from each heartbeat. */
  readonly loopDelayMsP99: readonly number[];
}

/** Serves the fashion deployment with a plan, runs a load, and stops it. */
export async function runLive(bus: Bus, url: string, plan: GearPlan, qps: number, seconds: number): Promise<LiveRun> {
  const folder = mkdtempSync(join(tmpdir(), 'cascade-bench-'));
  const file = join(folder, 'plan.json');
  writePlan(file, plan);
  const serving = startCascade(['serve', 'conf/fashion', '--plan', file, '--nats', url, '--log-level', 'error']);
  await serving.firstLine;
  const delays: number[] = [];
  const listening = bus
    .messages$('cascade.fashion.state.*')
    .subscribe(({ data }) => delays.push(decode<DeviceState>(data).loopDelayMsP99));
  try {
    const report = await cascadeJson<Report>([
      'load',
      'conf/fashion',
      '--qps',
      String(qps),
      '--seconds',
      String(seconds),
      '--nats',
      url,
    ]);
    const [utilisation] = Object.values(report.deviceUtilisation ?? {});
    return { report, computeMsPerRequest: (1_000 * utilisation * report.seconds) / report.completed, loopDelayMsP99: delays };
  } finally {
    listening.unsubscribe();
    serving.process.kill('SIGTERM');
    await once(serving.process, 'exit');
    rmSync(folder, { recursive: true });
  }
}
