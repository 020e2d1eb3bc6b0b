import { type GearPlan, type ModelWeights, PLAN_SCHEMA } from '../../plans/domain/gear-plan/gear-plan.ts';
import type { DeviceState } from '../../plans/protocol/control-messages.ts';
import type { WorkItem } from '../../plans/protocol/messages.ts';

/** The weights of a model in a test plan. */
export function weightsOf(model: string, fields: Partial<ModelWeights> = {}): ModelWeights {
  const curve = { batch: [1, 8], ms: [1, 8] };
  return {
    digest: `digest of ${model}`,
    memoryBytes: 1,
    runtimes: { 'cpu-1': curve, gpu: curve, 'emulated:any': curve },
    certaintyEdges: [],
    accuracy: 0.9,
    ...fields,
  };
}

/** A plan for tests: every model on every device, one gear per given cascade, equal shares. */
export function planOf(options: {
  models: readonly string[];
  devices?: readonly string[];
  /** Per gear: model names, all but the last with their threshold. Default: all models, in one gear. */
  cascades?: readonly (readonly string[])[];
  threshold?: number;
  minQueueLength?: number;
  maxWaitMs?: number;
  /** Upper end of the first range; the others follow in equal steps. */
  stepQps?: number;
}): GearPlan {
  const {
    models,
    devices = ['d0'],
    cascades = [models],
    threshold = 0.5,
    minQueueLength = 1,
    maxWaitMs = 10,
    stepQps = 100,
  } = options;
  const perReplica = <T>(names: readonly string[], value: T): Record<string, Record<string, T>> =>
    Object.fromEntries(names.map((model) => [model, Object.fromEntries(devices.map((device) => [device, value]))]));
  return {
    schema: PLAN_SCHEMA,
    deployment: 'test',
    digest: 'none',
    synthetic: true,
    slo: { p95: 100 },
    models: [...models],
    weights: Object.fromEntries(models.map((model) => [model, weightsOf(model)])),
    devices: [...devices],
    placement: models.flatMap((model) => devices.map((device) => ({ model, device }))),
    gears: cascades.map((names, g) => ({
      qps: [g * stepQps, (g + 1) * stepQps],
      cascade: names.map((model, s) => (s === names.length - 1 ? { model } : { model, threshold })),
      shares: perReplica(names, 1 / devices.length),
      minQueueLength: perReplica(names, minQueueLength),
      maxWaitMs,
      expected: {
        accuracy: 0.9,
        accuracyInterval: [0.9, 0.9],
        latencyMs: { p50: 1, p95: 2, p99: 3 },
        utilisation: {},
        bottleneck: names[0],
      },
    })),
    expected: { accuracy: 0.9, accuracyInterval: [0.9, 0.9], latencyMsP95: 2 },
    qpsWeights: cascades.map(() => 1 / cascades.length),
    frontier: [],
    search: {},
  };
}

export function workItem(fields: Partial<WorkItem> = {}): WorkItem {
  return {
    seq: 0,
    id: 'id',
    reply: 'reply',
    json: false,
    wantScores: false,
    alone: false,
    arrivedAt: 0,
    deadlineAt: 1e9,
    queueMs: 0,
    computeMs: 0,
    opinion: undefined,
    sample: [],
    ...fields,
  };
}

/** A heartbeat of a device in a test plan. */
export function deviceState(fields: Partial<DeviceState> = {}): DeviceState {
  return {
    device: 'd0',
    host: 'local',
    phase: 'ready',
    incarnation: 'new',
    claim: 'one',
    absences: 0,
    pid: 1,
    revision: 1,
    gear: 0,
    epoch: 0,
    gearDelayMs: 0,
    backlogMs: 0,
    slowdown: 1,
    starvedShare: null,
    queues: { small: 1, large: 0 },
    answered: { small: 5, large: 5 },
    completedBatches: 5,
    busyMs: 10,
    upMs: 100,
    loopDelayMsP99: 0,
    emulated: true,
    ...fields,
  };
}
