import { accuracyOf } from '../../domain/profile/profile.ts';
import type { PlanRequest } from '../../planner/plan-request.ts';
import { type SingleModelGear, singleModelPlan } from '../single-model-plan.ts';
import { aimsOf } from './aims.ts';
import type { Candidate, Strategy, StrategyContext } from './strategy.ts';

/** Shares of the load that a model carries within the latency at which to switch to a faster one. */
const HEADROOMS = [0.85, 1];
/** Shares of the devices that hold a different choice of models. */
const SPLITS = [0, 1 / 4, 1 / 2, 3 / 4];

/**
 * MS+, after Model-Switching (Zhang et al., HotCloud 2020): single models, as many on each device as fit, switched by load to the most
 * accurate one that carries it within the latency. Searches the latency to aim at, the headroom, and which models to place on devices
 * that cannot hold all.
 */
export const ms: Strategy = async (context) => {
  const { request, trace, targetsMs } = context;
  const candidates = new Map<string, Candidate>();
  for (const { holds, name } of holdings(request)) {
    for (const p95Ms of aimsOf(targetsMs)) {
      for (const headroom of HEADROOMS) {
        const gears = switchedGears(holds, p95Ms, headroom, context);
        if (gears.length === 0) continue;
        const settings = { aimedP95Ms: p95Ms, headroom, holds: name };
        const plan = singleModelPlan(gears, request, { p95Ms, trace, settings });
        candidates.set(JSON.stringify([plan.gears, p95Ms]), { type: 'plan', settings, plan, p95Ms });
      }
    }
  }
  return [...candidates.values()];
};

/** Ascending in load and descending in accuracy: each model up to the load it carries, unless a more accurate one carries as much. */
function switchedGears(
  holds: readonly (readonly number[])[],
  p95Ms: number,
  headroom: number,
  { request, capacities }: StrategyContext,
): SingleModelGear[] {
  const { models } = request.profile;
  const mostAccurateFirst = models.map((_, model) => model).sort((a, b) => accuracyOf(models[b]) - accuracyOf(models[a]));
  const gears: SingleModelGear[] = [];
  let carriedQps = 0;
  for (const model of mostAccurateFirst) {
    const devices = holds.flatMap((held, device) => (held.includes(model) ? [device] : []));
    if (devices.length === 0) continue;
    const toQps = headroom * capacities.withinQps(model, devices, p95Ms);
    if (toQps <= carriedQps) continue;
    gears.push({ model, toQps, shares: capacities.sharesOf(model, devices), minQueueLength: 1, maxWaitMs: 0 });
    carriedQps = toQps;
    if (carriedQps >= request.qpsMax) break;
  }
  return gears;
}

/** Which models each device may hold: if memory is short, one model first, then the cheapest others that still fit. */
export function holdings(request: PlanRequest): { holds: readonly (readonly number[])[]; name: string }[] {
  const { devices, profile } = request;
  const kinds = new Map<string, number[][]>();
  profile.models.forEach((_, first) => {
    const held = devices.map((_, device) => modelsHeldWith(first, device, request));
    if (held.some((models) => models.length > 0)) kinds.set(JSON.stringify(held), held);
  });
  const choices = [...kinds.values()];
  const names = (held: readonly number[]): string => held.map((model) => profile.models[model].name).join('+');
  const found = new Map<string, { holds: readonly (readonly number[])[]; name: string }>();
  for (const some of choices) {
    for (const others of choices) {
      for (const split of some === others ? [0] : SPLITS) {
        const count = Math.round(split * devices.length);
        const holds = devices.map((_, device) => (device < count ? some : others)[device]);
        const name = [...new Set(holds.map(names))].map((held) => `${holds.filter((h) => names(h) === held).length} x ${held}`);
        found.set(JSON.stringify(holds), { holds, name: name.join(', ') });
      }
    }
  }
  return [...found.values()];
}

function modelsHeldWith(first: number, device: number, { profile, devices }: PlanRequest): number[] {
  const { memoryBytes, deviceClass } = devices[device];
  const held: number[] = [];
  let used = 0;
  const others = profile.models.map((_, model) => model).filter((model) => model !== first);
  for (const model of [first, ...others]) {
    const { memoryBytes: needed, runtimes } = profile.models[model];
    if (runtimes[deviceClass] === undefined || used + needed > memoryBytes) continue;
    held.push(model);
    used += needed;
  }
  return held.sort((a, b) => a - b);
}
