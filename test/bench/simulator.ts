/**
 * Speed of the simulator on the BERT-like case: the gear plan of conf/synthetic/bert-like under a trace that swings between a tenth of
 * the peak and the peak, so that gears change, and with one gear held, as in the planner.
 *
 * Time is processor time of this process, because wall-clock time says little on a shared machine.
 *
 * Usage: npm run bench:simulator
 */
import Table from 'cli-table3';
import { createRandom } from '../../engine/random.ts';
import { planGears } from '../../plans/planner/planner.ts';
import { compilePlan } from '../../plans/policy/compiled-plan.ts';
import { simulatedSystem } from '../../plans/simulator/simulated-system.ts';
import { type SimulationOptions, Simulator } from '../../plans/simulator/simulator.ts';
import { traceWorkload } from '../../plans/simulator/workload.ts';
import { constantTrace, type Trace } from '../../plans/traces/trace.ts';
import { median, writeResult } from './machine.ts';
import { paperCase } from './planner-cases.ts';
import { processorSeconds } from './processor-time.ts';

const ROUNDS = 7;
const SECONDS = 120;
const TARGET = 2e6;

const request = paperCase('bert-like');
const result = await planGears(request, { threads: 2 });
if (result.type === 'infeasible') throw new Error(result.reason);
const plan = compilePlan(result.plan);
const system = simulatedSystem(request.profile, request.devices, request.maxBatch);
const lastPromised = plan.gears.findLastIndex(({ bestEffort }) => !bestEffort);
const simulator = new Simulator(system);
const swinging: Trace = {
  qps: Float64Array.from({ length: SECONDS }, (_, s) => request.qpsMax * (0.55 - 0.45 * Math.cos((2 * Math.PI * s) / 20))),
};

const cases: { name: string; trace: Trace; options: SimulationOptions }[] = [
  { name: 'swinging load, gears change', trace: swinging, options: {} },
  { name: 'peak load, last gear held', trace: constantTrace(request.qpsMax, 60), options: { fixedGear: lastPromised } },
  { name: 'low load, first gear held', trace: constantTrace(plan.gears[0].toQps, 600), options: { fixedGear: 0 } },
];

const rows = cases.map(({ name, trace, options }) => {
  const workload = traceWorkload(trace, system.samples, createRandom(1));
  simulator.run(plan, workload, options);
  const rates: number[] = [];
  let batches = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const stop = processorSeconds();
    const outcomes = simulator.run(plan, workload, options);
    rates.push(outcomes.completed / stop());
    batches = outcomes.batches.reduce((sum, count) => sum + count, 0);
  }
  const requests = workload.arrivalsMs.length;
  const requestsPerSecond = median(rates);
  return {
    name,
    requests,
    batches,
    requestsPerSecond,
    fastest: Math.max(...rates),
    target: TARGET,
    met: requestsPerSecond >= TARGET,
  };
});

const table = new Table({
  head: ['case', 'requests', 'batches', 'requests/s and core', 'target 2 M/s'],
  style: { head: [], border: [] },
});
for (const row of rows)
  table.push([row.name, row.requests, row.batches, `${(row.requestsPerSecond / 1e6).toFixed(2)} M`, row.met ? 'met' : 'missed']);
console.log(table.toString());
console.log(`written to ${writeResult('simulator', { synthetic: true, rounds: ROUNDS, rows })}`);
