import { createRandom } from '../../../../engine/random.ts';
import { gearsWithout } from '../../../../plans/domain/gear-plan/contingency.ts';
import { allGears, type Gear, type GearPlan, type GearTable } from '../../../../plans/domain/gear-plan/gear-plan.ts';
import type { PlanRequest } from '../../../../plans/planner/plan-request.ts';
import { compilePlan } from '../../../../plans/policy/compiled-plan.ts';
import { type SimulatedSystem, simulatedSystem } from '../../../../plans/simulator/simulated-system.ts';
import { Simulator } from '../../../../plans/simulator/simulator.ts';
import { traceWorkload } from '../../../../plans/simulator/workload.ts';
import { constantTrace } from '../../../../plans/traces/trace.ts';

/**
 * Checks a plan against the request alone, with independent code except for the simulator, which gets arrivals that the planner
 * has not seen. Returns a description of each problem; empty for a good plan.
 */
export function verifyPlan(request: PlanRequest, plan: GearPlan): string[] {
  const problems: string[] = [];
  const check = (good: boolean, problem: string): void => {
    if (!good) problems.push(problem);
  };
  const { profile, devices, slo, weights, qpsMax } = request;
  for (const device of devices) {
    const models = plan.placement.filter((replica) => replica.device === device.id).map((replica) => replica.model);
    check(new Set(models).size === models.length, `${device.id} holds a model twice`);
    const bytes = models.reduce((sum, name) => sum + (profile.models.find((m) => m.name === name)?.memoryBytes ?? Infinity), 0);
    check(bytes <= device.memoryBytes, `${device.id} holds ${bytes} of ${device.memoryBytes} bytes`);
  }
  const width = qpsMax / weights.length;
  const covered = checkRanges(plan.gears, width, check);
  check(covered === weights.length, `the gears end after ${covered} of ${weights.length} ranges`);
  check(plan.qpsWeights.length === plan.gears.length, `${plan.qpsWeights.length} weights for ${plan.gears.length} gears`);
  let accuracy = 0;
  plan.gears.forEach((gear, i) => {
    const name = `gear ${i}`;
    const [from, to] = gear.qps.map((qps) => Math.round(qps / width));
    const weight = weights.slice(from, to).reduce((sum, each) => sum + each, 0);
    check(Math.abs(plan.qpsWeights[i] - weight) < 1e-6, `${name} has weight ${plan.qpsWeights[i]}, its ranges ${weight}`);
    accuracy += weight * gear.expected.accuracy;
    checkStages(gear, name, request, check);
    checkReplicas(gear, name, plan, check);
    checkAccuracy(gear, name, request, check);
    const most = Math.max(...Object.values(gear.expected.utilisation));
    check(most <= (request.margins?.utilisation ?? 0.85) + 1e-3, `${name} plans a utilisation of ${most}`);
    for (const qps of [gear.qps[0] || gear.qps[1] / 20, gear.qps[1]]) {
      const p95 = simulatedP95(request, plan, i, qps);
      if (slo.type === 'latency') check(p95 <= slo.p95Ms, `${name} has p95 ${p95} ms at ${qps} requests/s`);
      else check(p95 < 60_000, `${name} piles up at ${qps} requests/s`);
    }
  });
  const mean = request.meanQps ?? weights.reduce((sum, weight, i) => sum + weight * (i + 0.5) * width, 0);
  check(Math.abs((plan.meanQps ?? 0) - mean) < 1e-5 * qpsMax, `plan claims a mean load of ${plan.meanQps}, has ${mean}`);
  for (const problem of verifyBeyond(request, plan, plan)) problems.push(problem);
  for (const { id } of devices) for (const problem of verifyContingency(request, plan, id)) problems.push(problem);
  check(
    Math.abs(accuracy - plan.expected.accuracy) < 1e-5,
    `plan claims accuracy ${plan.expected.accuracy}, its gears ${accuracy}`,
  );
  if (slo.type === 'accuracy') check(accuracy >= slo.accuracy - 1e-6, `accuracy ${accuracy} is below ${slo.accuracy}`);
  return problems;
}

/** Gears cover whole ranges, in order, and neighbours that serve alike are joined. @returns ranges covered. */
function checkRanges(gears: readonly Gear[], width: number, check: (good: boolean, problem: string) => void): number {
  let next = 0;
  gears.forEach((gear, i) => {
    const ranges = Math.round((gear.qps[1] - gear.qps[0]) / width);
    check(ranges >= 1 && Math.abs(gear.qps[0] - next * width) < 1e-3, `gear ${i} is for ${gear.qps}`);
    next += ranges;
    check(Math.abs(gear.qps[1] - next * width) < 1e-3, `gear ${i} is for ${gear.qps}`);
    check(i === 0 || served(gears[i - 1]) !== served(gear), `gears ${i - 1} and ${i} serve alike`);
  });
  return next;
}

function served({ cascade, shares, minQueueLength, maxWaitMs }: Gear): string {
  return JSON.stringify([cascade, shares, minQueueLength, maxWaitMs]);
}

/** Gears beyond the promise: contiguous, never more accurate than the ones below, and carried by the placed replicas. */
function verifyBeyond(request: PlanRequest, plan: GearPlan, table: GearTable): string[] {
  const problems: string[] = [];
  const all = allGears(table);
  all.slice(table.gears.length).forEach((gear, k) => {
    const i = table.gears.length + k;
    const check = (good: boolean, problem: string): void => {
      if (!good) problems.push(problem);
    };
    const name = `beyond gear ${i}`;
    const below = all[i - 1];
    check(gear.qps[0] === below.qps[1] && gear.qps[1] > gear.qps[0], `${name} is for ${gear.qps}, after ${below.qps}`);
    check(gear.expected.accuracy <= below.expected.accuracy, `${name} is more accurate than the one below`);
    check(k === 0 || served(below) !== served(gear), `${name} serves like the one below`);
    checkStages(gear, name, request, check);
    checkReplicas(gear, name, plan, check);
    checkAccuracy(gear, name, request, check);
    const most = Math.max(...Object.values(gear.expected.utilisation));
    check(most <= (request.margins?.utilisation ?? 0.85) + 1e-3, `${name} plans a utilisation of ${most}`);
    const p95 = simulatedP95(request, { ...plan, gears: [...all] }, i, gear.qps[1]);
    check(p95 < 60_000, `${name} piles up at ${gear.qps[1]} requests/s`);
  });
  return problems;
}

/** Gears for the loss of a device: they do not use it, and keep their promise on the others. */
function verifyContingency(request: PlanRequest, plan: GearPlan, lost: string): string[] {
  const problems: string[] = [];
  const table = gearsWithout(plan, lost);
  if (table === undefined) return [];
  const width = request.qpsMax / request.weights.length;
  const check = (good: boolean, problem: string): void => {
    if (!good) problems.push(`without ${lost}: ${problem}`);
  };
  checkRanges(table.gears, width, check);
  const all = [...allGears(table)];
  all.forEach((gear, i) => {
    const name = `gear ${i}`;
    checkStages(gear, name, request, check);
    checkReplicas(gear, name, plan, check);
    check(
      Object.values(gear.shares).every((shares) => !(shares[lost] > 0)),
      `${name} sends requests to it`,
    );
    const p95 = simulatedP95(request, { ...plan, gears: all }, i, gear.qps[1]);
    if (i < table.gears.length && request.slo.type === 'latency') check(p95 <= request.slo.p95Ms, `${name} has p95 ${p95} ms`);
  });
  for (const problem of verifyBeyond(request, plan, table)) problems.push(`without ${lost}: ${problem}`);
  return problems;
}

function checkStages(gear: Gear, name: string, { profile }: PlanRequest, check: (good: boolean, problem: string) => void): void {
  const order = gear.cascade.map((stage) => profile.models.findIndex((model) => model.name === stage.model));
  check(
    order.every((model, s) => model >= 0 && (s === 0 || model > order[s - 1])),
    `${name} is not in family order`,
  );
  gear.cascade.forEach((stage, s) => {
    check(
      (stage.threshold === undefined) === (s === gear.cascade.length - 1),
      `${name} stage ${s} has threshold ${stage.threshold}`,
    );
  });
}

function checkReplicas(gear: Gear, name: string, plan: GearPlan, check: (good: boolean, problem: string) => void): void {
  for (const { model } of gear.cascade) {
    const shares = Object.entries(gear.shares[model] ?? {});
    const sum = shares.reduce((total, [, share]) => total + share, 0);
    check(Math.abs(sum - 1) < 1e-9, `${name}: shares of ${model} sum to ${sum}`);
    for (const [device] of shares) {
      check(
        plan.placement.some((replica) => replica.model === model && replica.device === device),
        `${name}: ${model} has a share on ${device}, where it is not placed`,
      );
      check((gear.minQueueLength[model]?.[device] ?? 0) >= 1, `${name}: ${model} on ${device} has no minimum queue length`);
    }
  }
}

/** The accuracy promised for new samples is never above the measured one, and lies in its interval. */
function checkAccuracy(gear: Gear, name: string, request: PlanRequest, check: (good: boolean, problem: string) => void): void {
  const { accuracy, accuracyInterval } = gear.expected;
  const [low, high] = accuracyInterval;
  const measured = accuracyBySample(gear, request);
  check(accuracy <= measured + 1e-6, `${name} claims accuracy ${accuracy}, has ${measured}`);
  check(0 <= low && low <= accuracy && accuracy <= high && high <= 1, `${name} claims ${accuracy} in [${low}, ${high}]`);
}

/** On the request's samples, which the gear was chosen on. */
export function accuracyBySample(gear: Gear, { profile }: PlanRequest): number {
  let qualitySum = 0;
  for (let i = 0; i < profile.labels.length; i++) {
    for (const { model: name, threshold } of gear.cascade) {
      const model = profile.models.find((m) => m.name === name);
      if (model === undefined) break;
      if (threshold !== undefined && model.certainties[i] < threshold) continue;
      qualitySum += model.quality[i];
      break;
    }
  }
  return qualitySum / profile.labels.length;
}

/** The p95 of a gear's answers at a constant mean load. */
function simulatedP95(request: PlanRequest, plan: GearPlan, gear: number, qps: number): number {
  const { system, simulator } = simulatorOf(request);
  const seconds = Math.ceil(Math.max(2, 2000 / qps));
  const workload = traceWorkload(constantTrace(qps, seconds), system.samples, createRandom(`verify ${gear}`));
  const { latencyMs } = simulator.run(compilePlan(plan), workload, { fixedGear: gear });
  const sorted = latencyMs.filter((ms) => !Number.isNaN(ms)).sort();
  return sorted[Math.ceil(0.95 * sorted.length) - 1] ?? Number.POSITIVE_INFINITY;
}

const simulators = new WeakMap<PlanRequest, { system: SimulatedSystem; simulator: Simulator }>();

function simulatorOf(request: PlanRequest): { system: SimulatedSystem; simulator: Simulator } {
  const known = simulators.get(request);
  if (known !== undefined) return known;
  const system = simulatedSystem(request.profile, request.devices, request.maxBatch);
  const made = { system, simulator: new Simulator(system) };
  simulators.set(request, made);
  return made;
}
