import type { Gear } from '../../domain/gear-plan/gear-plan.ts';
import { type CompiledPlan, compilePlan } from '../../policy/compiled-plan.ts';
import type { Trace } from '../../traces/trace.ts';
import type { EnsembleSchedule, EnsembleStep } from './ensemble-schedule.ts';

/** Models that answer together, and their accuracy. */
export interface Ensemble {
  readonly members: readonly number[];
  readonly accuracy: number;
}

/** What an autoscaler decides on. */
export interface ScalingProblem {
  readonly modelNames: readonly string[];
  readonly deviceNames: readonly string[];
  readonly ensembles: readonly Ensemble[];
  /** Requests per second of a model that a device carries within the latency; 0 if it cannot run the model. */
  readonly carriedQps: (model: number, device: number) => number;
  /** Whether these models fit together into the memory of a device. */
  readonly fits: (models: readonly number[], device: number) => boolean;
  /** Time to load models on a device. */
  readonly loadingMs: (models: readonly number[], device: number) => number;
  /** The future load. */
  readonly trace: Trace;
}

export interface ScalingRule {
  /** Accuracy to reach with the fewest devices; if there are too few for the load, the most accurate ensemble they carry is used. */
  readonly aimedAccuracy: number;
  /** `pools`: each device holds one model. `shared`: every device holds the same models and loads all of them at start. */
  readonly placement: 'pools' | { readonly shared: readonly number[] };
  readonly periodMs: number;
  /** How long before a period its devices start loading. */
  readonly leadMs: number;
}

/** Per device: the models that it should hold; empty: it is off. */
type Assignment = readonly (readonly number[])[];

interface DeviceState {
  models: readonly number[];
  /** Until then it is loading and serves nothing. */
  readyMs: number;
}

interface Wanted {
  readonly ensemble: Ensemble;
  readonly assignment: Assignment;
}

/** What runs in a period. */
interface Target extends Wanted {
  readonly fromMs: number;
  /** Peak until its end. */
  readonly qps: number;
}

/**
 * Autoscaling as in Cocktail, with the future known and instant machines, while models take time to load. Each period gets an
 * ensemble that the devices carry at the period's peak second. Devices that serve nothing load ahead of the period. A serving device
 * is switched off or loads another model once the others carry the load without it. If that cannot be, because every device is needed,
 * all but one load their new models when the period begins, and the last one does when another is ready.
 * @returns undefined if no device can answer anything within the latency.
 */
export function autoscale(problem: ScalingProblem, rule: ScalingRule): EnsembleSchedule | undefined {
  const { trace, deviceNames } = problem;
  const { periodMs, leadMs } = rule;
  const endMs = trace.qps.length * 1000;
  const targetFor = (fromMs: number, toMs: number, held: Assignment): Target => {
    const qps = peakIn(trace, fromMs, toMs);
    return { fromMs, qps, ...wantedFor(qps, held, problem, rule) };
  };
  let target = targetFor(
    0,
    periodMs,
    deviceNames.map(() => []),
  );
  if (target.assignment.every((models) => models.length === 0)) return undefined;
  // The devices of the first period are already loaded.
  const state: DeviceState[] = target.assignment.map((models) => ({ models, readyMs: 0 }));
  const table = new GearTable(problem);
  const steps: EnsembleStep[] = [];
  let wanted = target.ensemble;
  let usedMs = 0;
  let nowMs = 0;
  const serves = ({ models, readyMs }: DeviceState): boolean => models.length > 0 && readyMs <= nowMs;
  const change = (device: number): void => {
    const models = target.assignment[device];
    state[device] = { models, readyMs: models.length === 0 ? nowMs : nowMs + problem.loadingMs(models, device) };
  };
  /** Changes what can be changed now. Called when a target is chosen, when its period begins, and when a replica is ready. */
  const settle = (): void => {
    const begun = nowMs >= target.fromMs;
    const load = begun ? target.qps : peakIn(trace, nowMs, target.fromMs);
    const carriedBy = ({ members }: Ensemble, without?: number): number => {
      const serving = state.map((device, d) => (d !== without && serves(device) ? device.models : []));
      return ensembleQps(members, serving, problem);
    };
    // The next ensemble is not asked before its period begins.
    const carried = (without?: number): number =>
      Math.max(carriedBy(wanted, without), begun ? carriedBy(target.ensemble, without) : 0);
    const differing = state.flatMap(({ models }, device) => (sameModels(models, target.assignment[device]) ? [] : [device]));
    for (const device of differing) if (!serves(state[device])) change(device);
    const mayChange = (device: number): boolean =>
      serves(state[device]) && state.some((other, d) => d !== device && serves(other));
    // First those that get other models: if they are switched off first, none may be left to spare for loading.
    const loads = differing.filter((device) => target.assignment[device].length > 0);
    const ends = differing.filter((device) => target.assignment[device].length === 0);
    for (const device of [...loads, ...ends])
      if (mayChange(device) && carried(device) >= Math.min(load, carried())) change(device);
    // No device can be spared, and waiting would not help.
    if (begun && (carried() < load || state.every(({ readyMs }) => readyMs <= nowMs)))
      for (const device of loads) if (mayChange(device)) change(device);
    if (begun && carriedBy(target.ensemble) >= Math.min(load, carriedBy(wanted))) wanted = target.ensemble;
    const step = table.stepAt(nowMs, wanted, state);
    const last = steps.at(-1);
    if (last !== undefined && last.gear === step.gear) return;
    if (last?.fromMs === nowMs) steps[steps.length - 1] = step;
    else steps.push(step);
  };
  const passTo = (untilMs: number): void => {
    while (nowMs < untilMs) {
      const events = [target.fromMs, ...state.map(({ readyMs }) => readyMs)].filter((ms) => ms > nowMs);
      const nextMs = Math.min(untilMs, ...events);
      usedMs += (nextMs - nowMs) * state.filter(({ models }) => models.length > 0).length;
      nowMs = nextMs;
      settle();
    }
  };
  settle();
  for (let fromMs = periodMs; fromMs < endMs; fromMs += periodMs) {
    passTo(Math.max(0, fromMs - leadMs));
    // If loading takes longer than a period, devices that load now must also carry the periods that begin before they are ready.
    const nextMs = Math.min(fromMs, periodMs * (Math.floor(nowMs / periodMs) + 1));
    target = targetFor(
      nextMs,
      fromMs + periodMs,
      state.map(({ models }) => models),
    );
    settle();
  }
  passTo(endMs);
  return { plan: table.compiled(), steps, meanDevices: usedMs / endMs };
}

function wantedFor(qps: number, held: Assignment, problem: ScalingProblem, rule: ScalingRule): Wanted {
  let best: (Wanted & { readonly used: number }) | undefined;
  for (const ensemble of problem.ensembles) {
    const assignment = assign(ensemble, qps, held, problem, rule);
    if (assignment === undefined) continue;
    const used = assignment.filter((models) => models.length > 0).length;
    if (best === undefined || isBetter({ ensemble, used }, best, rule.aimedAccuracy)) best = { ensemble, assignment, used };
  }
  return best ?? overloaded(problem, rule);
}

interface Choice {
  readonly ensemble: Ensemble;
  readonly used: number;
}

function isBetter(a: Choice, b: Choice, aimed: number): boolean {
  const [aReaches, bReaches] = [a.ensemble.accuracy >= aimed, b.ensemble.accuracy >= aimed];
  if (aReaches && bReaches) return a.used < b.used || (a.used === b.used && a.ensemble.accuracy > b.ensemble.accuracy);
  if (aReaches !== bReaches) return aReaches;
  return a.ensemble.accuracy > b.ensemble.accuracy;
}

/** @returns undefined if the devices cannot carry the load. */
function assign(
  { members }: Ensemble,
  qps: number,
  held: Assignment,
  problem: ScalingProblem,
  { placement }: ScalingRule,
): Assignment | undefined {
  const assignment: (readonly number[])[] = held.map(() => []);
  const groups = placement === 'pools' ? members.map((member) => [member]) : [placement.shared];
  for (const group of groups) {
    const asked = placement === 'pools' ? group : members;
    if (!asked.every((model) => group.includes(model))) return undefined;
    let carried = 0;
    // First devices that already hold the models, then those that are off, so that serving devices are left alone.
    const rank = (device: number): number => (sameModels(held[device], group) ? 0 : held[device].length === 0 ? 1 : 2);
    const inOrder = held.map((_, device) => device).sort((a, b) => rank(a) - rank(b) || a - b);
    for (const device of inOrder) {
      if (carried > 0 && carried >= qps) break;
      if (assignment[device].length > 0 || !problem.fits(group, device)) continue;
      const more = togetherQps(asked, device, problem);
      if (more <= 0) continue;
      assignment[device] = group;
      carried += more;
    }
    if (carried === 0 || carried < qps) return undefined;
  }
  return assignment;
}

/** Requests per second of a device that answers each request with all of these models. */
function togetherQps(models: readonly number[], device: number, { carriedQps }: ScalingProblem): number {
  const secondsEach = models.reduce((sum, model) => sum + 1 / carriedQps(model, device), 0);
  return Number.isFinite(secondsEach) ? 1 / secondsEach : 0;
}

/** Requests per second that devices with these models carry if each member is asked; 0 if no device has one of them. */
function ensembleQps(members: readonly number[], models: Assignment, problem: ScalingProblem): number {
  const carriedOf = (member: number): number =>
    models.reduce((sum, held, device) => {
      if (!held.includes(member)) return sum;
      const asked = members.filter((model) => held.includes(model));
      return sum + togetherQps(asked, device, problem);
    }, 0);
  return Math.min(...members.map(carriedOf));
}

/** The load is more than any ensemble carries: all devices run the model that carries most. */
function overloaded(problem: ScalingProblem, { placement }: ScalingRule): Wanted {
  const { deviceNames, modelNames, carriedQps, ensembles, fits } = problem;
  const loadable = placement === 'pools' ? modelNames.map((_, model) => model) : placement.shared;
  const heldWith = (model: number): readonly number[] => (placement === 'pools' ? [model] : placement.shared);
  const carried = (model: number, device: number): number => (fits(heldWith(model), device) ? carriedQps(model, device) : 0);
  const total = (model: number): number => deviceNames.reduce((sum, _, device) => sum + carried(model, device), 0);
  const fastest = loadable.reduce((best, model) => (total(model) > total(best) ? model : best));
  const alone = ensembles.find(({ members }) => members.length === 1 && members[0] === fastest);
  return {
    ensemble: alone ?? { members: [fastest], accuracy: 0 },
    assignment: deviceNames.map((_, device) => (carried(fastest, device) > 0 ? heldWith(fastest) : [])),
  };
}

function sameModels(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((model, i) => model === b[i]);
}

/** Requests per second in the peak second of an interval. */
function peakIn({ qps }: Trace, fromMs: number, toMs: number): number {
  let peak = 0;
  for (let second = Math.floor(fromMs / 1000); second < Math.min(qps.length, Math.ceil(toMs / 1000)); second++)
    peak = Math.max(peak, qps[second]);
  return peak;
}

/** One gear for each distinct state of the ready replicas. */
class GearTable {
  readonly #problem: ScalingProblem;
  readonly #gears: Gear[] = [];
  readonly #numbers = new Map<string, number>();

  constructor(problem: ScalingProblem) {
    this.#problem = problem;
  }

  stepAt(nowMs: number, wanted: Ensemble, state: readonly DeviceState[]): EnsembleStep {
    const ready = (model: number): number[] =>
      state.flatMap(({ models, readyMs }, device) => (readyMs <= nowMs && models.includes(model) ? [device] : []));
    const known = this.#problem.modelNames.map((_, model) => model);
    const asked = wanted.members.filter((model) => ready(model).length > 0);
    // While none of the wanted models is ready, the cheapest ready one answers.
    const members = asked.length > 0 ? asked : known.filter((model) => ready(model).length > 0).slice(0, 1);
    const replicas = members.map((model) => ({ model, devices: ready(model) }));
    const key = JSON.stringify(replicas);
    let gear = this.#numbers.get(key);
    if (gear === undefined) {
      gear = this.#gears.push(this.#gearOf(replicas)) - 1;
      this.#numbers.set(key, gear);
    }
    return { fromMs: nowMs, gear, members };
  }

  compiled(): CompiledPlan {
    const { modelNames, deviceNames } = this.#problem;
    return compilePlan({ models: [...modelNames], devices: [...deviceNames], placement: [], gears: this.#gears });
  }

  #gearOf(replicas: readonly { readonly model: number; readonly devices: readonly number[] }[]): Gear {
    const { modelNames, deviceNames, carriedQps } = this.#problem;
    const shares = replicas.map(({ model, devices }) => {
      const total = devices.reduce((sum, device) => sum + carriedQps(model, device), 0);
      return [
        modelNames[model],
        Object.fromEntries(devices.map((device) => [deviceNames[device], carriedQps(model, device) / total])),
      ];
    });
    const at = this.#gears.length;
    return {
      qps: [at, at + 1],
      // All members are asked, whatever the others answer: see `asked` of the simulator.
      cascade: [{ model: modelNames[replicas[0].model] }],
      shares: Object.fromEntries(shares),
      minQueueLength: {},
      maxWaitMs: 0,
      expected: { accuracy: 0, accuracyInterval: [0, 0], latencyMs: { p50: 0, p95: 0, p99: 0 }, utilisation: {}, bottleneck: '' },
    };
  }
}
