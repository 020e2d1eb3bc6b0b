import { gearsWithout } from '../domain/gear-plan/contingency.ts';
import { allGears, type Gear, type GearPlan, type GearTable, type ModelWeights } from '../domain/gear-plan/gear-plan.ts';
import { plannedMeanQps } from './load-scale.ts';

/**
 * A gear in the form that the policies use. Models and devices are numbers, as in the compiled plan, so the actors and the simulator
 * look things up without allocating.
 */
export interface CompiledGear {
  readonly index: number;
  /** Beyond what the plan promises: the SLO does not apply. */
  readonly bestEffort: boolean;
  readonly fromQps: number;
  readonly toQps: number;
  /** Models of the cascade, in order. */
  readonly cascade: Int32Array;
  /** Per model: its stage in the cascade, or -1. */
  readonly stageOf: Int32Array;
  /** Per model: answers with at least this certainty are final; -Infinity on the last stage, NaN outside the cascade. */
  readonly threshold: Float64Array;
  /**
   * Per model: where an uncertain sample goes next, or -1. For a model outside the gear: the first model of the gear that comes later
   * in family order.
   */
  readonly next: Int32Array;
  /** [model * devices + device]: share of the model's requests. */
  readonly shares: Float64Array;
  /** [model * devices + device]: minimum queue length; 1 where the model is not in the gear, so that leftovers run at once. */
  readonly minQueueLength: Int32Array;
  readonly maxWaitMs: number;
  /** The plan expects to answer 95 % of the requests within this time. */
  readonly expectedMsP95: number;
}

export interface CompiledPlan {
  readonly models: readonly string[];
  readonly devices: readonly string[];
  /** Per model; undefined only in plans that are never used to load models. */
  readonly weights: readonly (ModelWeights | undefined)[];
  /** [model * devices + device]: 1 where a replica is placed. */
  readonly placed: Uint8Array;
  /** Promised gears first, then the gears beyond; loads ascend through both. */
  readonly gears: readonly CompiledGear[];
  /** Lost device -> gears to use until it is back; empty when the plan has none. */
  readonly contingencies: ReadonlyMap<string, readonly CompiledGear[]>;
  /** Under an accuracy SLO: the mean planned load, to which the measured load is scaled (see load-scale.ts). */
  readonly scaleToQps: number | undefined;
  /** Per device: the inference time the plan assumes, divided by the profile's. */
  readonly inferenceFactor: Float64Array;
}

/**
 * @param plan a gear plan, or the parts of one that a test needs.
 * @param devices order in which devices are numbered: the plan's own, or all of a deployment, so that two plans share numbers.
 * @param models order in which models are numbered: the plan's family, or the order a process already uses for other plans.
 */
export function compilePlan(
  plan: Pick<GearPlan, 'models' | 'devices' | 'placement' | 'gears' | 'beyond' | 'contingencies'> &
    Partial<Pick<GearPlan, 'slo' | 'qpsWeights' | 'meanQps' | 'correction' | 'weights'>>,
  devices: readonly string[] = plan.devices,
  models: readonly string[] = plan.models,
): CompiledPlan {
  const { slo, qpsWeights, meanQps } = plan;
  const rank = models.map((name) => plan.models.indexOf(name));
  const modelNumber = numbering(models, 'model');
  const deviceNumber = numbering(devices, 'device');
  const placed = new Uint8Array(models.length * devices.length);
  for (const replica of plan.placement) placed[modelNumber(replica.model) * devices.length + deviceNumber(replica.device)] = 1;
  const contingencies = new Map(
    plan.devices.flatMap((device) => {
      const table = gearsWithout(plan, device);
      return table === undefined ? [] : [[device, compileTable(table)] as const];
    }),
  );
  const scales = slo !== undefined && 'accuracy' in slo && qpsWeights !== undefined;
  const scaleToQps = scales ? plannedMeanQps({ gears: plan.gears, qpsWeights, meanQps }) : undefined;
  const inferenceFactor = Float64Array.from(devices, (device) => plan.correction?.inference[device] ?? 1);
  const weights = models.map((model) => plan.weights?.[model]);
  return { models, devices, weights, placed, gears: compileTable(plan), contingencies, scaleToQps, inferenceFactor };

  function compileTable(table: GearTable): CompiledGear[] {
    return allGears(table).map((gear, index) => compileGear(gear, index, index >= table.gears.length));
  }

  function compileGear(gear: Gear, index: number, bestEffort: boolean): CompiledGear {
    const size = models.length * devices.length;
    const cascade = Int32Array.from(gear.cascade, (s) => modelNumber(s.model));
    // Each stage leads to a later model, so no request can go in circles.
    if (cascade.some((model, s) => s > 0 && rank[model] <= rank[cascade[s - 1]]))
      throw new Error(`gear plan: cascade ${gear.cascade.map((s) => s.model).join(', ')} is not in the family's order`);
    const stageOf = new Int32Array(models.length).fill(-1);
    const threshold = new Float64Array(models.length).fill(Number.NaN);
    const next = new Int32Array(models.length).fill(-1);
    cascade.forEach((model, s) => {
      stageOf[model] = s;
      threshold[model] = gear.cascade[s].threshold ?? Number.NEGATIVE_INFINITY;
      next[model] = cascade[s + 1] ?? -1;
    });
    for (let model = 0; model < models.length; model++) {
      if (stageOf[model] === -1) next[model] = cascade.find((other) => rank[other] > rank[model]) ?? -1;
    }
    const shares = new Float64Array(size);
    const minQueueLength = new Int32Array(size).fill(1);
    for (const [model, byDevice] of Object.entries(gear.shares)) {
      for (const [device, share] of Object.entries(byDevice))
        shares[modelNumber(model) * devices.length + deviceNumber(device)] = share;
    }
    for (const [model, byDevice] of Object.entries(gear.minQueueLength)) {
      for (const [device, length] of Object.entries(byDevice))
        minQueueLength[modelNumber(model) * devices.length + deviceNumber(device)] = length;
    }
    return {
      index,
      bestEffort,
      fromQps: gear.qps[0],
      toQps: gear.qps[1],
      cascade,
      stageOf,
      threshold,
      next,
      shares,
      minQueueLength,
      maxWaitMs: gear.maxWaitMs,
      expectedMsP95: gear.expected.latencyMs.p95,
    };
  }
}

function numbering(names: readonly string[], kind: string): (name: string) => number {
  const numbers = new Map(names.map((name, number) => [name, number]));
  return (name) => {
    const number = numbers.get(name);
    if (number === undefined)
      throw new Error(`gear plan: unknown ${kind} ${JSON.stringify(name)}; known are ${names.join(', ')}`);
    return number;
  };
}
