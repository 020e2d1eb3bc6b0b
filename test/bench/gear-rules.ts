/**
 * Rules for the choice of gears, compared: the paper's, the one before, means over longer windows, and bounds of what was counted.
 * By simulation under bursty loads, on the plans of the fashion example and of the synthetic families; each also with the peak
 * above what was planned for, and with devices slower than profiled, where backlogs grow. With --live the paper's rule and the
 * default serve the same load for real on emulated devices.
 *
 * Usage: npm run bench:gear-rules [-- --trace FILE] [-- --live]
 * --trace: a CSV `second,qps` instead of the generated bursts; empty seconds are dropped, the peak is scaled.
 */
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { createRandom } from '../../engine/random.ts';
import { loadDeployment } from '../../plans/deployment.ts';
import type { PlanRequest } from '../../plans/planner/plan-request.ts';
import { planGears } from '../../plans/planner/planner.ts';
import { planRequestOf } from '../../plans/planner/request-of-deployment.ts';
import { type CompiledPlan, compilePlan } from '../../plans/policy/compiled-plan.ts';
import { DEFAULT_GEAR_RULE, type GearRule, PAPER_GEAR_RULE } from '../../plans/policy/gear-choice.ts';
import { readProfile } from '../../plans/profile-file.ts';
import { simulatedSystem } from '../../plans/simulator/simulated-system.ts';
import { simulationReport } from '../../plans/simulator/simulation-report.ts';
import { Simulator } from '../../plans/simulator/simulator.ts';
import { traceWorkload } from '../../plans/simulator/workload.ts';
import { slowedProfile } from '../../plans/slowed-profile.ts';
import { cutTrace, parseTrace, scaleToPeak, type Trace } from '../../plans/trace.ts';
import { burstyTrace } from './bursty-trace.ts';
import { type LiveGears, liveGears } from './live-gears.ts';
import { writeResult } from './machine.ts';
import { paperCase } from './planner-cases.ts';

const SECONDS = 120;
const SEEDS = [1, 2, 3];
/** Of the family that is served live. */
const LIVE_QPS_MAX = 60;
const LIVE_SECONDS = 60;
const FASHION_PROFILE = 'conf/fashion/profile.json';

const RULES: Readonly<Record<string, GearRule>> = {
  'paper (alpha 8)': PAPER_GEAR_RULE,
  'paper without alpha': { ...PAPER_GEAR_RULE, alpha: 0 },
  'paper + backlog 500 ms': { ...PAPER_GEAR_RULE, backlogDrainMs: 500 },
  'paper + backlog 250 ms': { ...PAPER_GEAR_RULE, backlogDrainMs: 250 },
  'down by 500 ms': { ...PAPER_GEAR_RULE, windowMs: 500 },
  'down by 2 s': { ...PAPER_GEAR_RULE, windowMs: 2_000 },
  'band 2': { ...PAPER_GEAR_RULE, noiseBand: 2 },
  'band 3': { ...PAPER_GEAR_RULE, noiseBand: 3 },
  'band 1, 500 ms': { ...PAPER_GEAR_RULE, noiseBand: 1, windowMs: 500 },
  'band 2, 300 ms': { ...PAPER_GEAR_RULE, noiseBand: 2, windowMs: 300 },
  'band 2, 500 ms': { ...PAPER_GEAR_RULE, noiseBand: 2, windowMs: 500 },
  'band 2, 300 ms, no alpha': { ...PAPER_GEAR_RULE, alpha: 0, noiseBand: 2, windowMs: 300 },
};

/** Peak of the load over the highest planned one, and how much slower devices are than profiled. */
const SCENARIOS = [
  { name: 'as planned', peak: 0.9, slowdown: 1 },
  { name: 'peak 1.3 x planned', peak: 1.3, slowdown: 1 },
  { name: 'devices 1.3 x slower', peak: 0.9, slowdown: 1.3 },
] as const;

interface Row {
  readonly rule: string;
  readonly sloAttainment: number;
  readonly accuracy: number;
  readonly shiftsPerMinute: number;
  readonly p95Ms: number;
  readonly maxMs: number;
}

const { values: options } = parseArgs({ options: { trace: { type: 'string' }, live: { type: 'boolean', default: false } } });

const requests: PlanRequest[] = [paperCase('bert-like'), paperCase('llama-like')];
if (existsSync(FASHION_PROFILE))
  requests.unshift(planRequestOf(loadDeployment('conf/fashion'), readProfile(FASHION_PROFILE), {}));
else console.log(`without fashion: there is no ${FASHION_PROFILE}; \`npx cascade profile conf/fashion\` makes it`);

const results: { deployment: string; scenario: string; rows: Row[] }[] = [];
for (const request of requests) {
  const found = await planGears(request, { threads: 2 });
  if (found.type === 'infeasible') throw new Error(`${request.deployment}: ${found.reason}`);
  const plan = compilePlan(found.plan);
  for (const scenario of SCENARIOS) {
    const rows = Object.entries(RULES).map(([name, rule]) => simulated(request, plan, scenario, name, rule));
    results.push({ deployment: request.deployment, scenario: scenario.name, rows });
    show(`${request.deployment}, ${scenario.name}`, rows);
  }
}

const live: Record<string, LiveGears> = {};
if (options.live) {
  live.paper = await liveGears(PAPER_GEAR_RULE, cutTrace(traceOf(LIVE_QPS_MAX, 0.9, 1), 0, LIVE_SECONDS));
  live.default = await liveGears(DEFAULT_GEAR_RULE, cutTrace(traceOf(LIVE_QPS_MAX, 0.9, 1), 0, LIVE_SECONDS));
  console.log('live, emulated devices:');
  console.dir(live);
}
const trace = options.trace === undefined ? 'generated bursts' : 'given trace';
console.log(`written to ${writeResult('gear-rules', { trace, seconds: SECONDS, seeds: SEEDS, rules: RULES, results, live })}`);

function simulated(
  request: PlanRequest,
  plan: CompiledPlan,
  { peak, slowdown }: (typeof SCENARIOS)[number],
  name: string,
  rule: GearRule,
): Row {
  if (request.slo.type !== 'latency') throw new Error('the cases have latency SLOs');
  const system = simulatedSystem(slowedProfile(request.profile, slowdown), request.devices, request.maxBatch);
  const simulator = new Simulator(system);
  const reports = SEEDS.map((seed) => {
    const workload = traceWorkload(traceOf(request.qpsMax, peak, seed), system.samples, createRandom(seed));
    return simulationReport(system, workload, simulator.run(plan, workload, { rule }), request.slo).report;
  });
  const mean = (value: (report: (typeof reports)[number]) => number | null): number =>
    reports.reduce((sum, report) => sum + (value(report) ?? Number.NaN), 0) / reports.length;
  return {
    rule: name,
    sloAttainment: mean((report) => report.sloAttainment),
    accuracy: mean((report) => report.accuracy),
    shiftsPerMinute: mean((report) => ((report.gearSwitches ?? Number.NaN) * 60) / report.seconds),
    p95Ms: mean((report) => report.latencyMs.p95),
    maxMs: Math.max(...reports.map((report) => report.latencyMs.max ?? Number.NaN)),
  };
}

function traceOf(qpsMax: number, peak: number, seed: number): Trace {
  if (options.trace === undefined) return burstyTrace(SECONDS, peak * qpsMax, createRandom(seed));
  const dense = { qps: parseTrace(readFileSync(options.trace, 'utf8'), options.trace).qps.filter((qps) => qps > 0) };
  const from = Math.floor(((dense.qps.length - SECONDS) * (seed - 1)) / SEEDS.length);
  return scaleToPeak(cutTrace(dense, from, from + SECONDS), peak * qpsMax);
}

function show(title: string, rows: readonly Row[]): void {
  const table = new Table({
    head: ['rule', 'SLO attained', 'accuracy', 'shifts/min', 'p95 ms', 'worst ms'],
    style: { head: [], border: [] },
  });
  for (const row of rows)
    table.push([
      row.rule,
      row.sloAttainment.toFixed(4),
      row.accuracy.toFixed(4),
      row.shiftsPerMinute.toFixed(0),
      row.p95Ms.toFixed(0),
      row.maxMs.toFixed(0),
    ]);
  console.log(`${title}:\n${table.toString()}`);
}
