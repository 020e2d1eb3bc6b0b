/**
 * Compares rules for choosing gears: the paper's, ours, and ours with one constant changed. Simulates a bursty load below the highest
 * planned one on the plans of the fashion example and the synthetic families, with devices as fast as profiled, slower, and at a
 * varying speed. With --live, the paper's rule and the default serve the same load live on emulated devices.
 *
 * Usage: npm run bench:gear-rules [-- --trace FILE] [-- --live]
 * --trace: a CSV `second,qps` instead of the generated bursts; empty seconds are dropped, the peak is scaled.
 */
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { createRandom } from '../../engine/random.ts';
import { loadDeployment } from '../../plans/domain/deployment/read-deployment.ts';
import { readProfile } from '../../plans/domain/profile/profile-file.ts';
import type { PlanRequest } from '../../plans/planner/plan-request.ts';
import { planGears } from '../../plans/planner/planner.ts';
import { planRequestOf } from '../../plans/planner/request-of-deployment.ts';
import { type CompiledPlan, compilePlan } from '../../plans/policy/compiled-plan.ts';
import { DEFAULT_GEAR_RULE, type GearRule, PAPER_GEAR_RULE } from '../../plans/policy/gear-choice.ts';
import { simulatedSystem } from '../../plans/simulator/simulated-system.ts';
import { simulationReport } from '../../plans/simulator/simulation-report.ts';
import { Simulator } from '../../plans/simulator/simulator.ts';
import type { Slowdown } from '../../plans/simulator/slowdown.ts';
import { traceWorkload } from '../../plans/simulator/workload.ts';
import { cutTrace, parseTrace, scaleToPeak, type Trace } from '../../plans/traces/trace.ts';
import { wanderingSpeed } from '../support/wandering-speed.ts';
import { burstyTrace } from './bursty-trace.ts';
import { type LiveGears, liveGears } from './live-gears.ts';
import { writeResult } from './machine.ts';
import { paperCase } from './planner-cases.ts';

const SECONDS = 120;
const SEEDS = [1, 2, 3];
/** `qpsMax` of the family that is served live. */
const LIVE_QPS_MAX = 60;
const LIVE_SECONDS = 60;
const FASHION_PROFILE = 'conf/fashion/profile.json';

/** Peak of the load, as a fraction of the highest planned load. */
const PEAK = 0.9;

/** @param p95Ms the SLO, within which a backlog should drain. */
function rulesFor(p95Ms: number): Readonly<Record<string, GearRule>> {
  const ours: GearRule = { ...DEFAULT_GEAR_RULE, backlogDrainMs: p95Ms };
  return {
    paper: PAPER_GEAR_RULE,
    ours,
    'settle 1 s': { ...ours, settleMs: 1_000 },
    'settle 4 s': { ...ours, settleMs: 4_000 },
    'noise band 2': { ...ours, noiseBand: 2 },
    'backlog drains in half the SLO': { ...ours, backlogDrainMs: p95Ms / 2 },
    'backlog drains in two SLOs': { ...ours, backlogDrainMs: 2 * p95Ms },
    'without measured speed': { ...ours, measuredSpeed: false },
  };
}

/** Speeds of the devices relative to their profile. */
const SPEEDS: Readonly<Record<string, (seed: number) => Slowdown[]>> = {
  'as profiled': () => [],
  'at 0.7 of the profiled speed': () => constantly(1 / 0.7),
  'at half the profiled speed': () => constantly(2),
  'at a speed that wanders from 0.6 to 1.2': (seed) => wanderingSpeed(undefined, SECONDS, createRandom(seed)),
};

function constantly(factor: number): Slowdown[] {
  return [{ device: undefined, factor, fromMs: 0, toMs: Number.POSITIVE_INFINITY }];
}

interface Row {
  readonly rule: string;
  readonly sloAttainment: number;
  readonly accuracy: number;
  readonly changesPerMinute: number;
  readonly p95Ms: number;
  readonly maxMs: number;
}

const { values: options } = parseArgs({ options: { trace: { type: 'string' }, live: { type: 'boolean', default: false } } });

const requests: PlanRequest[] = [paperCase('bert-like'), paperCase('llama-like')];
if (existsSync(FASHION_PROFILE))
  requests.unshift(planRequestOf(loadDeployment('conf/fashion'), readProfile(FASHION_PROFILE), {}));
else console.log(`without fashion: there is no ${FASHION_PROFILE}; \`npx cascade profile conf/fashion\` makes it`);

const results: { deployment: string; speed: string; rows: Row[] }[] = [];
for (const request of requests) {
  const found = await planGears(request, { threads: 2 });
  if (found.type === 'infeasible') throw new Error(`${request.deployment}: ${found.reason}`);
  const plan = compilePlan(found.plan);
  if (request.slo.type !== 'latency') throw new Error(`${request.deployment}: the cases have latency SLOs`);
  for (const [speed, slowdowns] of Object.entries(SPEEDS)) {
    const rules = Object.entries(rulesFor(request.slo.p95Ms));
    const rows = rules.map(([name, rule]) => simulated(request, plan, slowdowns, name, rule));
    results.push({ deployment: request.deployment, speed, rows });
    show(`${request.deployment}, devices ${speed}`, rows);
  }
}

const live: Record<string, LiveGears> = {};
if (options.live) {
  live.paper = await liveGears(PAPER_GEAR_RULE, cutTrace(traceOf(LIVE_QPS_MAX, 1), 0, LIVE_SECONDS));
  live.default = await liveGears(DEFAULT_GEAR_RULE, cutTrace(traceOf(LIVE_QPS_MAX, 1), 0, LIVE_SECONDS));
  console.log('live, emulated devices:');
  console.dir(live);
}
const trace = options.trace === undefined ? 'generated bursts' : 'given trace';
console.log(`written to ${writeResult('gear-rules', { trace, seconds: SECONDS, seeds: SEEDS, results, live })}`);

function simulated(
  request: PlanRequest,
  plan: CompiledPlan,
  slowdowns: (seed: number) => Slowdown[],
  name: string,
  rule: GearRule,
): Row {
  const system = simulatedSystem(request.profile, request.devices, request.maxBatch);
  const simulator = new Simulator(system);
  const reports = SEEDS.map((seed) => {
    const workload = traceWorkload(traceOf(request.qpsMax, seed), system.samples, createRandom(seed));
    const outcomes = simulator.run(plan, workload, { rule, slowdowns: slowdowns(seed) });
    return simulationReport(system, workload, outcomes, request.slo).report;
  });
  const mean = (value: (report: (typeof reports)[number]) => number | null): number =>
    reports.reduce((sum, report) => sum + (value(report) ?? Number.NaN), 0) / reports.length;
  return {
    rule: name,
    sloAttainment: mean((report) => report.sloAttainment),
    accuracy: mean((report) => report.accuracy),
    changesPerMinute: mean((report) => ((report.gearSwitches ?? Number.NaN) * 60) / report.seconds),
    p95Ms: mean((report) => report.latencyMs.p95),
    maxMs: Math.max(...reports.map((report) => report.latencyMs.max ?? Number.NaN)),
  };
}

function traceOf(qpsMax: number, seed: number): Trace {
  if (options.trace === undefined) return burstyTrace(SECONDS, PEAK * qpsMax, createRandom(seed));
  const dense = { qps: parseTrace(readFileSync(options.trace, 'utf8'), options.trace).qps.filter((qps) => qps > 0) };
  const from = Math.floor(((dense.qps.length - SECONDS) * (seed - 1)) / SEEDS.length);
  return scaleToPeak(cutTrace(dense, from, from + SECONDS), PEAK * qpsMax);
}

function show(title: string, rows: readonly Row[]): void {
  const table = new Table({
    head: ['rule', 'SLO attained', 'accuracy', 'changes/min', 'p95 ms', 'worst ms'],
    style: { head: [], border: [] },
  });
  for (const row of rows)
    table.push([
      row.rule,
      row.sloAttainment.toFixed(4),
      row.accuracy.toFixed(4),
      row.changesPerMinute.toFixed(0),
      row.p95Ms.toFixed(0),
      row.maxMs.toFixed(0),
    ]);
  console.log(`${title}:\n${table.toString()}`);
}
