/**
 * How long a gear change takes: the decision itself (a table look-up), and the time from the decision to its effect on every device, as
 * reported in heartbeats. Two device processes with the real models, under a load that jumps every second.
 *
 * Usage: npm run bench:gear-change
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GearControl } from '../../actors/controller/gear-control.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { readPlan } from '../../plans/domain/gear-plan/plan-file.ts';
import { compilePlan } from '../../plans/policy/compiled-plan.ts';
import { DEFAULT_GEAR_RULE } from '../../plans/policy/gear-choice.ts';
import { decode } from '../../plans/protocol/codec.ts';
import type { DeviceState } from '../../plans/protocol/control-messages.ts';
import type { Report } from '../../plans/report/report.ts';
import { cascadeJson, profileAndPlan, startCascade } from '../support/cascade.ts';
import { fashionOnTwoDevices } from '../support/fashion.ts';
import { median, writeResult } from './machine.ts';

const SECONDS = 40;
const LOW_QPS = 60;
const HIGH_QPS = 1_000;
const DECISIONS = 200_000;
const TARGET_EFFECT_MS = 5;
const TARGET_DECISION_US = 20;

const folder = mkdtempSync(join(tmpdir(), 'cascade-gear-change-'));
const server = await startNatsServer({ jetstream: true });
const bus = await connectNats({ servers: server.url });
try {
  // Shifts down at once too, so that the gear changes every second.
  const deployment = `${fashionOnTwoDevices('gearchange', server.url, { qpsMax: 2_400, ranges: 16 })}\nsettle: none\n`;
  writeFileSync(join(folder, 'deployment.yaml'), deployment);
  await profileAndPlan(folder);
  splitFirstGear(join(folder, 'plan.json'));
  const decision = decisionMicroseconds();
  const seconds = Array.from({ length: SECONDS }, (_, second) => `${second},${second % 2 === 0 ? LOW_QPS : HIGH_QPS}`);
  writeFileSync(join(folder, 'trace.csv'), `second,qps\n${seconds.join('\n')}\n`);
  const serving = startCascade(['serve', folder, '--log-level', 'error']);
  await serving.firstLine;
  /** Device and epoch -> delay of that change on the device. */
  const delays = new Map<string, number>();
  const first = new Map<string, number>();
  const listening = bus.messages$('cascade.gearchange.state.*').subscribe(({ data }) => {
    const { device, epoch, gearDelayMs } = decode<DeviceState>(data);
    // Epoch 0 is before the first gear, which was decided before the device started.
    if (epoch === 0) return;
    if (!first.has(device)) first.set(device, epoch);
    if (epoch !== first.get(device)) delays.set(`${device} ${epoch}`, gearDelayMs);
  });
  const report = await cascadeJson<Report>(['load', folder, '--trace', join(folder, 'trace.csv')]);
  listening.unsubscribe();
  await serving.stop();
  const sorted = [...delays.values()].sort((a, b) => a - b);
  const result = {
    gearSwitches: report.gearSwitches,
    observed: sorted.length,
    effectMs: { p50: median(sorted), p99: sorted[Math.ceil(0.99 * sorted.length) - 1], max: sorted[sorted.length - 1] },
    targetEffectMs: TARGET_EFFECT_MS,
    decisionMicroseconds: decision,
    targetDecisionMicroseconds: TARGET_DECISION_US,
    report,
  };
  console.dir(result, { depth: null });
  console.log(`written to ${writeResult('gear-change', result)}`);
} finally {
  await bus.close();
  await server.stop();
  rmSync(folder, { recursive: true });
}

/** All these loads are best served by the same gear, so this adds a second, nearly equal one. */
function splitFirstGear(file: string): void {
  const plan = readPlan(file);
  const [first, ...others] = plan.gears;
  const [from, to] = first.qps;
  const [weight, ...weights] = plan.qpsWeights;
  const between = (LOW_QPS + HIGH_QPS) / 2;
  const gears = [
    { ...first, qps: [from, between] as const },
    { ...first, qps: [between, to] as const, maxWaitMs: first.maxWaitMs + 1 },
    ...others,
  ];
  writeFileSync(file, JSON.stringify({ ...plan, gears, qpsWeights: [weight / 2, weight / 2, ...weights] }));
}

/** Reports of four frontends, with heartbeats of 16 devices in between; the load wanders over all gears. */
function decisionMicroseconds(): { median: number; p99: number } {
  const plan = compilePlan(readPlan(join(folder, 'plan.json')));
  const control = new GearControl(plan, DEFAULT_GEAR_RULE, 0);
  const took = new Float64Array(DECISIONS);
  for (let i = 0; i < DECISIONS; i++) {
    const now = i;
    control.state(
      {
        device: `d${i % 16}`,
        queues: { linear: i % 7, 'cnn-small': i % 3, 'cnn-medium': 0 },
        backlogMs: i % 9,
        slowdown: 1 + (i % 5) / 10,
      } as unknown as DeviceState,
      now,
    );
    control.load({ frontend: `f${i % 4}`, pid: 1, intervalMs: 100, arrivals: Math.round(30 + 30 * Math.sin(i / 500)) }, now);
    const startedAt = performance.now();
    control.decide(now);
    took[i] = 1_000 * (performance.now() - startedAt);
  }
  took.sort();
  return { median: took[DECISIONS >> 1], p99: took[Math.ceil(0.99 * DECISIONS) - 1] };
}
