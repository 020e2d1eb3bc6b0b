import { createRandom } from '../../engine/random.ts';
import { type Cascade, evaluateCascade, thresholdAtQuantile, validationRecords } from '../../plans/domain/cascade/cascade.ts';
import type { Gear } from '../../plans/domain/gear-plan/gear-plan.ts';
import type { PlanRequest } from '../../plans/planner/plan-request.ts';
import { compilePlan } from '../../plans/policy/compiled-plan.ts';
import { simulatedSystem } from '../../plans/simulator/simulated-system.ts';
import { Simulator } from '../../plans/simulator/simulator.ts';
import { traceWorkload, type Workload } from '../../plans/simulator/workload.ts';
import { constantTrace } from '../../plans/traces/trace.ts';
import { median } from './machine.ts';
import { type PAPER_CASES, paperCase } from './planner-cases.ts';

export const RANGES = 6;
/** Thresholds per model: enough that the whole space takes thousands of simulations. */
const GRID = { 'bert-like': 3, 'llama-like': 6 } as const;
/** At tens of requests per second, 8 seconds have too few requests for a p95 and are too short to reveal an overload. */
const LEAST_REQUESTS = 16_000;

export interface ReducedRequest extends PlanRequest {
  readonly cascades: readonly Cascade[];
}

/** The space of CascadeServe Fig. 10: every model on every device, and no margins, so that plans are compared exactly at the SLO. */
export function reducedRequest(name: (typeof PAPER_CASES)[number], p95Ms: number): ReducedRequest {
  const request = paperCase(name, { ranges: RANGES });
  return {
    ...request,
    devices: request.devices.map((device) => ({ ...device, memoryBytes: 1e15 })),
    cascades: allCascades(request, GRID[name]),
    slo: { type: 'latency', p95Ms },
    margins: { utilisation: 1, latency: 1 },
    contingencies: false,
  };
}

function allCascades({ profile }: PlanRequest, grid: number): Cascade[] {
  const records = validationRecords(profile);
  const found: Cascade[] = [];
  const extend = (models: number[], thresholds: number[]): void => {
    const last = models[models.length - 1];
    found.push(evaluateCascade(records, models, thresholds));
    for (let next = last + 1; next < profile.models.length; next++) {
      for (let g = 1; g <= grid; g++)
        extend([...models, next], [...thresholds, thresholdAtQuantile(records, last, g / (grid + 1))]);
    }
  };
  for (let first = 0; first < profile.models.length; first++) extend([first], []);
  return found;
}

/** Simulates gears at the top of each range, once per seed. */
export class Runs {
  readonly #simulator: Simulator;
  /** [range][seed] */
  readonly #workloads: readonly (readonly Workload[])[];
  readonly #request: PlanRequest;

  constructor(request: PlanRequest, seconds: number, seeds: readonly string[]) {
    const system = simulatedSystem(request.profile, request.devices, request.maxBatch);
    this.#request = request;
    this.#simulator = new Simulator(system);
    this.#workloads = request.weights.map((_, i) => {
      const qps = ((i + 1) * request.qpsMax) / RANGES;
      const trace = constantTrace(qps, Math.max(seconds, Math.ceil(LEAST_REQUESTS / qps)));
      return seeds.map((seed) => traceWorkload(trace, system.samples, createRandom(`${seed} ${i}`)));
    });
  }

  /** The median of the runs' p95. */
  p95(gear: Gear, range: number): number {
    const { profile, devices } = this.#request;
    const plan = compilePlan({
      models: profile.models.map((model) => model.name),
      devices: devices.map((device) => device.id),
      placement: [],
      gears: [gear],
    });
    return median(
      this.#workloads[range].map((workload) => {
        const outcomes = this.#simulator.run(plan, workload, { fixedGear: 0 });
        const sorted = outcomes.latencyMs.slice().sort();
        return sorted[Math.ceil(0.95 * sorted.length) - 1];
      }),
    );
  }
}

/** A cascade with even shares and queues that trigger at one request. */
export function evenGear({ models, thresholds }: Cascade, { profile, devices }: PlanRequest): Gear {
  const all = (value: number) =>
    Object.fromEntries(models.map((m) => [profile.models[m].name, Object.fromEntries(devices.map(({ id }) => [id, value]))]));
  return {
    qps: [0, 1],
    cascade: models.map((m, s) => ({ model: profile.models[m].name, threshold: thresholds[s] })),
    shares: all(1 / devices.length),
    minQueueLength: all(1),
    maxWaitMs: 0,
    expected: { accuracy: 0, accuracyInterval: [0, 0], latencyMs: { p50: 0, p95: 0, p99: 0 }, utilisation: {}, bottleneck: '' },
  };
}
