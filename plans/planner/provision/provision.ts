import type { GearPlan } from '../../domain/gear-plan/gear-plan.ts';
import type { PlanDevice } from '../../domain/profile/batch-cost.ts';
import type { Infeasible, PlanRequest } from '../plan-request.ts';
import { type PlannerOptions, planGears } from '../planner.ts';
import { devicesLike, kindsOf } from '../sp3/devices-like.ts';
import { fewest } from './fewest.ts';

/** The goals to meet together: p95 at every load, and expected accuracy over the distribution of loads. */
export interface ProvisionGoal {
  readonly p95Ms: number;
  readonly accuracy: number;
}

/** One way to buy devices, and how far it gets. */
export interface ProvisionOption {
  /** `cpu-1, 1 GiB` or `as deployed`: the devices in the proportions of the deployment. */
  readonly kind: string;
  /** Undefined if no number up to the limit will do. */
  readonly fewest: { readonly devices: readonly PlanDevice[]; readonly plan: GearPlan } | undefined;
  /** The closest failure: with one device fewer, or if no number will do, with the most tried. */
  readonly short:
    | {
        readonly devices: number;
        /** Of the plan that is not accurate enough; undefined if there is no plan. */
        readonly expected: GearPlan['expected'] | undefined;
        readonly why: Infeasible | undefined;
      }
    | undefined;
}

/**
 * Finds the fewest devices for a latency and an accuracy, for each kind in the deployment alone and for all kinds in its
 * proportions. The plan under the latency SLO must reach the accuracy over the distribution of loads.
 * @param request its devices define the kinds; its SLO is ignored.
 */
export async function provision(
  request: PlanRequest,
  goal: ProvisionGoal,
  max: number,
  options: PlannerOptions = {},
): Promise<ProvisionOption[]> {
  const kinds = kindsOf(request.devices);
  const mixes = kinds.map((device) => ({ kind: describeKind(device), devices: [device] }));
  if (kinds.length > 1) mixes.push({ kind: 'as deployed', devices: [...request.devices] });
  const found: ProvisionOption[] = [];
  for (const mix of mixes) found.push(await provisionKind(mix, request, goal, max, options));
  return found;
}

/** The option with the fewest devices; in a tie, the most accurate. */
export function bestOption(options: readonly ProvisionOption[]): ProvisionOption | undefined {
  return options
    .filter((option) => option.fewest !== undefined)
    .sort(
      (a, b) =>
        (a.fewest?.devices.length ?? 0) - (b.fewest?.devices.length ?? 0) ||
        (b.fewest?.plan.expected.accuracy ?? 0) - (a.fewest?.plan.expected.accuracy ?? 0),
    )[0];
}

async function provisionKind(
  mix: { readonly kind: string; readonly devices: readonly PlanDevice[] },
  request: PlanRequest,
  { p95Ms, accuracy }: ProvisionGoal,
  max: number,
  options: PlannerOptions,
): Promise<ProvisionOption> {
  const failures = new Map<number, Omit<NonNullable<ProvisionOption['short']>, 'devices'>>();
  const best = await fewest(max, async (count) => {
    const progress = (message: string): void => options.progress?.(`${count} x ${mix.kind}: ${message}`);
    const devices = devicesLike(mix.devices, count);
    const asked: PlanRequest = { ...request, devices, slo: { type: 'latency', p95Ms }, contingencies: false };
    const result = await planGears(asked, { ...options, progress });
    // Plans give accuracies in six digits.
    if (result.type === 'plan' && result.plan.expected.accuracy >= Number(accuracy.toFixed(6)))
      return { devices, plan: result.plan };
    const failure =
      result.type === 'plan' ? { expected: result.plan.expected, why: undefined } : { expected: undefined, why: result };
    failures.set(count, failure);
    return undefined;
  });
  const nearest = Math.max(0, ...failures.keys());
  const failure = failures.get(nearest);
  return { kind: mix.kind, fewest: best?.value, short: failure && { devices: nearest, ...failure } };
}

function describeKind({ deviceClass, memoryBytes }: PlanDevice): string {
  if (memoryBytes === Number.MAX_SAFE_INTEGER) return deviceClass;
  return `${deviceClass}, ${Number((memoryBytes / 2 ** 30).toPrecision(3))} GiB`;
}
