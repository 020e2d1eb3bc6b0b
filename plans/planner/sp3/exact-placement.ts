import type { PlanningContext } from '../cycle/planning-context.ts';
import { everywhere } from './device-fit.ts';
import { type DeviceKind, deviceKinds, fullSets } from './device-sets.ts';
import type { Entry, Row } from './linear-solver.ts';
import { type CascadeLoad, worstUtilisation } from './prune-replicas.ts';

/** Larger programs are left to greedy pruning and local search. */
const MAX_VARIABLES = 1500;
const MAX_INTEGERS = 80;
/** This close to the proven optimum is good enough, since utilisation is planned with a margin of percents. */
const RELATIVE_GAP = 1e-4;
const MAX_NODES = 400;
/**
 * A last resort: the limit on nodes stops hard programs, on every machine alike. Programs take less than a second, so only one stuck
 * within a node, or on an extremely busy machine, reaches this.
 */
const TIME_LIMIT_SECONDS = 60;

/** Devices of one kind that hold the same set of models. */
interface Group {
  readonly kind: DeviceKind;
  readonly models: readonly number[];
}

/**
 * The placement with the lowest worst utilisation, as a mixed-integer program (CascadeServe §4.4 prunes greedily instead).
 * Devices of a kind are interchangeable, so the program counts how many of them hold each set of models; a program with variables
 * per device would have too many symmetric solutions.
 *
 * Variables: n_g, the number of devices in group g (integer); x_lsg, what group g takes of stage s under load l; and lambda, the
 * factor by which all loads could grow until a device is full: 1 / utilisation, which keeps the program linear. Maximise lambda,
 * subject to (a) the groups take lambda of each stage; (b) no group has more work than devices; (c) each device has one set;
 * (d) each model has at least its forced replicas.
 * @param atMost utilisation above which a placement is useless.
 * @returns undefined if the program is too large or was not solved within its limits.
 */
export function exactPlacement(
  models: readonly number[],
  loads: readonly CascadeLoad[],
  atLeast: readonly number[],
  atMost: number,
  context: PlanningContext,
): Uint8Array | undefined {
  const groups = deviceKinds(context).flatMap((kind) =>
    fullSets(kind.devices[0], models, context).map((held): Group => ({ kind, models: held })),
  );
  const variables = groups.length + 1 + loads.reduce((sum, { cascade }) => sum + cascade.models.length * groups.length, 0);
  if (groups.length > MAX_INTEGERS || variables > MAX_VARIABLES) return undefined;
  // No placement beats everything everywhere, so in units of its utilisation lambda is at most 1.
  const unit = worstUtilisation(loads, everywhere(models, context), context);
  if (!(unit <= atMost)) return undefined;

  const { infinity } = context.solver;
  const lambda = groups.length;
  let columns = groups.length + 1;
  const rows: Row[] = [{ lower: unit / atMost, upper: infinity, entries: [[lambda, 1]] }];
  for (const { cascade, qps } of loads) {
    const costs = context.costs.stageCosts(cascade.models, cascade.reach);
    const work = groups.map((_, g): Entry[] => [[g, -1]]);
    cascade.models.forEach((model, s) => {
      const taken: Entry[] = [[lambda, -1]];
      groups.forEach((group, g) => {
        if (!group.models.includes(model)) return;
        work[g].push([columns, (costs[s][group.kind.deviceClass] * qps) / 1000 / unit]);
        taken.push([columns++, 1]);
      });
      rows.push({ lower: 0, upper: 0, entries: taken });
    });
    for (const entries of work) if (entries.length > 1) rows.push({ lower: -infinity, upper: 0, entries });
  }
  for (const kind of new Set(groups.map((group) => group.kind))) {
    const entries = groups.flatMap((group, g): Entry[] => (group.kind === kind ? [[g, 1]] : []));
    rows.push({ lower: kind.devices.length, upper: kind.devices.length, entries });
  }
  for (const model of models) {
    const entries = groups.flatMap((group, g): Entry[] => (group.models.includes(model) ? [[g, 1]] : []));
    rows.push({ lower: Math.max(1, atLeast[model]), upper: infinity, entries });
  }
  const objective = Array.from({ length: columns }, (_, k) => (k === lambda ? -1 : 0));
  const integer = Array.from({ length: columns }, (_, k) => k < groups.length);
  const solution = context.solver.minimiseMixed(objective, rows, {
    integer,
    relativeGap: RELATIVE_GAP,
    maxNodes: MAX_NODES,
    timeLimitSeconds: TIME_LIMIT_SECONDS,
  });
  return solution && placementOf(groups, solution, context);
}

/** Assigns the counted sets to devices, in order. */
function placementOf(groups: readonly Group[], counts: ArrayLike<number>, context: PlanningContext): Uint8Array {
  const placed = new Uint8Array(context.models * context.devices);
  const handedOut = new Map<DeviceKind, number>();
  groups.forEach(({ kind, models }, g) => {
    const from = handedOut.get(kind) ?? 0;
    const to = from + Math.round(counts[g]);
    handedOut.set(kind, to);
    for (const device of kind.devices.slice(from, to)) for (const model of models) placed[model * context.devices + device] = 1;
  });
  return placed;
}
