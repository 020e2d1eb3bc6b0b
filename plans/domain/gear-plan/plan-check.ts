import { ConfigError } from '../../../engine/errors.ts';
import { type Deployment, deviceClass } from '../deployment/deployment.ts';
import { gearsWithout } from './contingency.ts';
import type { Gear, GearPlan, GearTable } from './gear-plan.ts';

/** What a plan is checked against. It refers to models and devices by name only, and contains no paths. */
export type PlanSubject = Pick<Deployment, 'name' | 'models' | 'devices'>;

/** Shares and ranges are rounded when written; sums and neighbours agree within this. */
const SHARE_TOLERANCE = 1e-6;
const QPS_TOLERANCE = 1e-5;
/** A page of problems would hide the one to fix. */
const SHOWN_PROBLEMS = 10;

/**
 * Checks whether a well-formed plan (see `gearPlanSchema`), from a file or an operator, can be served on a deployment: its models and
 * devices, the devices' memory, and gears that leave no load and no request without a replica.
 * @returns one sentence per problem, with field and value; empty when the plan can be served.
 */
export function checkPlanFor(deployment: PlanSubject, plan: GearPlan): string[] {
  const named = [
    ...(plan.deployment === deployment.name ? [] : [`deployment: ${shown(plan.deployment)}, not ${deployment.name}`]),
    ...modelProblems(deployment, plan),
    ...deviceProblems(deployment, plan),
    ...placementProblems(plan),
  ];
  // The other checks refer to models and devices by name, so with unknown ones they would only repeat these problems.
  return named.length > 0 ? named : [...memoryProblems(deployment, plan), ...servingProblems(plan)];
}

/** Checks whether a well-formed plan is consistent in itself. @returns problems, as from `checkPlanFor`. */
export function checkPlan(plan: GearPlan): string[] {
  const named = placementProblems(plan);
  return named.length > 0 ? named : servingProblems(plan);
}

/** @throws ConfigError with the problems of the plan in `file`, if any. */
export function refusePlan(file: string, problems: readonly string[]): void {
  if (problems.length === 0) return;
  const more = problems.length > SHOWN_PROBLEMS ? [`and ${problems.length - SHOWN_PROBLEMS} more`] : [];
  throw new ConfigError(
    [...problems.slice(0, SHOWN_PROBLEMS).map((problem) => `${file}: ${problem}`), ...more, 'run `cascade plan` again'].join(
      '\n',
    ),
  );
}

function servingProblems(plan: GearPlan): string[] {
  const weights = plan.qpsWeights.length;
  const sum = plan.qpsWeights.reduce((total, weight) => total + weight, 0);
  return [
    ...tableProblems(plan, (field) => field, plan),
    ...(weights === plan.gears.length ? [] : [`qpsWeights: ${weights} weights for ${plan.gears.length} gears`]),
    ...(weights !== plan.gears.length || Math.abs(sum - 1) <= SHARE_TOLERANCE ? [] : [`qpsWeights: sum to ${sum}; must be 1`]),
    ...contingencyProblems(plan),
  ];
}

function modelProblems({ models }: PlanSubject, plan: GearPlan): string[] {
  const names = models.map(({ name }) => name);
  const unknown = plan.models.filter((name) => !names.includes(name));
  if (unknown.length > 0)
    return unknown.map((name) => `models: ${shown(name)} is not a model of the deployment, which has ${names.join(', ')}`);
  if (plan.models.length === names.length && repeated(plan.models).length === 0) return [];
  return [`models: ${plan.models.join(', ')}; the deployment has ${names.join(', ')}, and a plan names each exactly once`];
}

function deviceProblems({ devices }: PlanSubject, plan: GearPlan): string[] {
  const ids = devices.map(({ id }) => id);
  return [
    ...plan.devices
      .filter((id) => !ids.includes(id))
      .map((id) => `devices: ${shown(id)} is not a device of the deployment, which has ${ids.join(', ')}`),
    ...repeated(plan.devices).map((id) => `devices: ${shown(id)} is named twice`),
  ];
}

function placementProblems({ models, devices, placement, weights }: GearPlan): string[] {
  return [
    ...models.filter((model) => !Object.hasOwn(weights, model)).map((model) => `weights: none for model ${shown(model)}`),
    ...placement.flatMap(({ model, device }, i) => [
      ...(models.includes(model) ? [] : [`placement[${i}].model: ${shown(model)} is not among the plan's models`]),
      ...(devices.includes(device) ? [] : [`placement[${i}].device: ${shown(device)} is not among the plan's devices`]),
    ]),
    ...repeated(placement.map(replicaName)).map((replica) => `placement: ${shown(replica)} is placed twice`),
  ];
}

function memoryProblems({ devices }: PlanSubject, { placement, weights }: GearPlan): string[] {
  return devices.flatMap((device) => {
    const kind = deviceClass(device);
    const replicas = placement.filter((replica) => replica.device === device.id);
    const unmeasured = replicas.filter(({ model }) => weights[model].runtimes[kind] === undefined);
    const needs = replicas.map(({ model }) => weights[model].memoryBytes);
    const sum = needs.reduce((total, bytes) => total + bytes, 0);
    return [
      ...unmeasured.map(({ model }) => `placement: ${model} on ${device.id}: weights.${model} has no runtimes on ${kind}`),
      ...(sum <= device.memoryBytes
        ? []
        : [
            `placement: ${device.id} has ${device.memoryBytes} bytes of memory; ` +
              `${replicas.map(({ model }, i) => `${model} (${needs[i]})`).join(' + ')} need ${sum}`,
          ]),
    ];
  });
}

function contingencyProblems(plan: GearPlan): string[] {
  return (plan.contingencies ?? []).flatMap(({ lost, alike }, i) => {
    const at = `contingencies[${i}]`;
    const unknown = [lost, ...alike].filter((device) => !plan.devices.includes(device));
    if (unknown.length > 0)
      return unknown.map((device) => `${at}: ${shown(device)} is not among the plan's devices, ${plan.devices.join(', ')}`);
    return [lost, ...alike].flatMap((device) => {
      const table = gearsWithout({ contingencies: [plan.contingencies![i]] }, device)!;
      const own = (field: string): string => `${at}.${field} without ${device}`;
      return [
        ...lostShares(table.gears, own('gears'), device),
        ...lostShares(table.beyond ?? [], own('beyond'), device),
        ...tableProblems(table, own, plan),
      ];
    });
  });
}

function lostShares(gears: readonly Gear[], at: string, device: string): string[] {
  return gears.flatMap((gear, g) =>
    Object.entries(gear.shares).flatMap(([model, shares]) =>
      shareOf(shares, device) > 0 ? [`${at}[${g}].shares.${model}: ${device} has a share, but is the lost device`] : [],
    ),
  );
}

function tableProblems({ gears, beyond = [] }: GearTable, at: (field: string) => string, plan: GearPlan): string[] {
  return [
    ...gearsProblems(gears, 0, at('gears'), plan),
    ...gearsProblems(beyond, gears[gears.length - 1].qps[1], at('beyond'), plan),
  ];
}

/** @param begin where the first range must start. */
function gearsProblems(gears: readonly Gear[], begin: number, at: string, plan: GearPlan): string[] {
  const placed = new Set(plan.placement.map(replicaName));
  return gears.flatMap((gear, g) => [
    ...rangeProblems(gear, g === 0 ? begin : gears[g - 1].qps[1], `${at}[${g}].qps`),
    ...stageProblems(gear, `${at}[${g}].cascade`, plan.models),
    ...reachProblems(gear, `${at}[${g}].reach`),
    ...replicaProblems(gear, `${at}[${g}]`, placed),
  ]);
}

/** Ranges ascend without gaps or overlaps, so each load has exactly one gear. */
function rangeProblems({ qps: [from, to] }: Gear, expected: number, at: string): string[] {
  return [
    ...(Math.abs(from - expected) <= QPS_TOLERANCE ? [] : [`${at}: starts at ${from}; must start at ${expected}`]),
    ...(to > from ? [] : [`${at}: ends at ${to}, which is not above its start ${from}`]),
  ];
}

function stageProblems({ cascade }: Gear, at: string, models: readonly string[]): string[] {
  return cascade.flatMap(({ model, threshold }, s) => {
    const number = models.indexOf(model);
    const last = s === cascade.length - 1;
    return [
      ...(number === -1 ? [`${at}[${s}].model: ${shown(model)} is not among the plan's models`] : []),
      ...(number !== -1 && s > 0 && number <= models.indexOf(cascade[s - 1].model)
        ? [`${at}[${s}].model: ${model} does not come after ${cascade[s - 1].model} in the family`]
        : []),
      ...(threshold === undefined && !last ? [`${at}[${s}].threshold: missing; only the last stage has none`] : []),
      ...(threshold !== undefined && last ? [`${at}[${s}].threshold: ${threshold}; the last stage has none`] : []),
    ];
  });
}

/** Every request reaches the first stage, and no later one is reached by more than the one before it. */
function reachProblems({ cascade, reach }: Gear, at: string): string[] {
  if (reach === undefined) return [];
  if (reach.length !== cascade.length) return [`${at}: ${reach.length} fractions for ${cascade.length} stages`];
  const falls = reach.every((fraction, s) => (s === 0 ? fraction === 1 : fraction <= reach[s - 1]));
  return falls ? [] : [`${at}: ${reach.join(', ')}; must begin with 1 and never rise`];
}

function replicaProblems({ cascade, shares, minQueueLength }: Gear, at: string, placed: ReadonlySet<string>): string[] {
  const unplaced = (values: Readonly<Record<string, Readonly<Record<string, number>>>>, field: string): string[] =>
    Object.entries(values).flatMap(([model, byDevice]) =>
      Object.keys(byDevice)
        .filter((device) => !placed.has(replicaName({ model, device })))
        .map((device) => `${at}.${field}: ${shown(replicaName({ model, device }))} is not in the placement`),
    );
  const sums = Object.entries(shares).flatMap(([model, byDevice]) => {
    const sum = Object.values(byDevice).reduce((total, share) => total + share, 0);
    return Math.abs(sum - 1) <= SHARE_TOLERANCE ? [] : [`${at}.shares: those of ${shown(model)} sum to ${sum}; must be 1`];
  });
  const missing = cascade
    .filter(({ model }) => !Object.hasOwn(shares, model))
    .map(({ model }) => `${at}.shares: none for ${shown(model)}, which is in the cascade`);
  const untriggered = Object.entries(shares).flatMap(([model, byDevice]) => {
    const lengths = Object.hasOwn(minQueueLength, model) ? minQueueLength[model] : {};
    return Object.keys(byDevice)
      .filter((device) => byDevice[device] > 0 && !Object.hasOwn(lengths, device))
      .map((device) => `${at}.minQueueLength: none for ${shown(replicaName({ model, device }))}, which has a share`);
  });
  return [...unplaced(shares, 'shares'), ...sums, ...missing, ...unplaced(minQueueLength, 'minQueueLength'), ...untriggered];
}

function shareOf(shares: Readonly<Record<string, number>>, device: string): number {
  return Object.hasOwn(shares, device) ? shares[device] : 0;
}

function replicaName({ model, device }: { readonly model: string; readonly device: string }): string {
  return `${model} on ${device}`;
}

function repeated(values: readonly string[]): string[] {
  return [...new Set(values.filter((value, i) => values.indexOf(value) !== i))];
}

/** Text in a plan may have any length. */
function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}
