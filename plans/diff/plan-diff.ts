import {
  allGears,
  describeCascade,
  describeWeights,
  digestsOf,
  type ExpectedAccuracy,
  type Gear,
  type GearPlan,
  type GearTable,
  sameCascade,
} from '../domain/gear-plan/gear-plan.ts';
import { plannedMeanQps } from '../policy/load-scale.ts';

/** Something that differs between the plans. */
interface Change {
  readonly what: string;
  readonly before: string;
  readonly after: string;
}

/** A stretch of load served by a single gear in each plan. */
export interface LoadDiff {
  readonly qps: readonly [from: number, to: number];
  /** Index of the gear in each plan. */
  readonly gears: readonly [before: number, after: number];
  /** Whether the gear is beyond what the plan promises. */
  readonly bestEffort: readonly [before: boolean, after: boolean];
  /** What the gears do differently; empty when at most expected figures differ. */
  readonly changes: readonly Change[];
  readonly accuracy: readonly [before: number, after: number];
  readonly accuracyInterval: readonly [before: Interval, after: Interval];
  readonly latencyMsP95: readonly [before: number, after: number];
  /** Highest over all devices. */
  readonly utilisation: readonly [before: number, after: number];
}

export interface PlanDiff {
  /** Nothing relevant to serving or planning differs. */
  readonly same: boolean;
  /** What the plans were made for: deployment, SLO, models, devices, inputs. */
  readonly settings: readonly Change[];
  readonly placement: { readonly added: readonly Replica[]; readonly removed: readonly Replica[] };
  readonly expected: {
    readonly accuracy: readonly [before: number, after: number];
    readonly accuracyInterval: readonly [before: Interval, after: Interval];
    readonly latencyMsP95: readonly [before: number, after: number];
  };
  /** Ascending without gaps, up to the highest load of either plan. */
  readonly loads: readonly LoadDiff[];
}

type Interval = ExpectedAccuracy['accuracyInterval'];
type Replica = GearPlan['placement'][number];

/** The changes from one plan to another. Plans with different ranges are compared load by load. */
export function diffPlans(before: GearPlan, after: GearPlan): PlanDiff {
  const settings = SETTINGS.flatMap(([what, of]) => changed(what, of(before, after), of(after, before)));
  const placement = { added: without(after.placement, before.placement), removed: without(before.placement, after.placement) };
  const expected = {
    accuracy: [before.expected.accuracy, after.expected.accuracy],
    accuracyInterval: [before.expected.accuracyInterval, after.expected.accuracyInterval],
    latencyMsP95: [before.expected.latencyMsP95, after.expected.latencyMsP95],
  } as const;
  const loads = stretches(before, after).map((qps) => diffLoad(before, after, qps));
  const same =
    settings.length === 0 &&
    placement.added.length + placement.removed.length === 0 &&
    loads.every((load) => load.changes.length === 0 && figuresOf(load).every(([a, b]) => a === b));
  return { same, settings, placement, expected, loads };
}

const SETTINGS: readonly (readonly [what: string, of: (plan: GearPlan, other: GearPlan) => string])[] = [
  ['deployment', (plan) => plan.deployment],
  ['SLO', ({ slo }) => ('p95' in slo ? `p95 <= ${slo.p95} ms` : `accuracy >= ${slo.accuracy}`)],
  ['models', (plan) => plan.models.join(', ')],
  ['weights', ({ weights }) => describeWeights(digestsOf(weights))],
  ['devices', (plan) => plan.devices.join(', ')],
  ['synthetic', (plan) => (plan.synthetic ? 'yes' : 'no')],
  ['highest load', (plan) => `${topOf(plan)} requests/s`],
  [
    'load carried beyond, best effort',
    ({ beyond = [] }) => (beyond.length === 0 ? 'none' : `${topOf({ gears: beyond })} requests/s`),
  ],
  ['gears', ({ gears, beyond = [] }) => `${gears.length}${beyond.length === 0 ? '' : ` and ${beyond.length} beyond`}`],
  ['distribution of the load', describeDistribution],
  ['loads carried without a device', ({ contingencies = [] }) => contingencies.map(describeLoss).join('; ') || 'not planned for'],
  ['corrected by the calibration of', ({ correction }) => correction?.date ?? 'none'],
  ['digest of profile and request', (plan) => plan.digest.slice(0, 12)],
];

function describeLoss({ lost, alike, gears, beyond = [] }: NonNullable<GearPlan['contingencies']>[number]): string {
  const more = beyond.length === 0 ? '' : `, best effort up to ${topOf({ gears: beyond })}`;
  return `${[lost, ...alike].join(', ')}: ${topOf({ gears })} requests/s${more}`;
}

function topOf({ gears }: Pick<GearTable, 'gears'>): number {
  return gears[gears.length - 1].qps[1];
}

/**
 * How often loads occur between range ends common to both plans. Merged neighbouring ranges say nothing about the load.
 */
function describeDistribution({ gears, qpsWeights, meanQps }: GearPlan, other: GearPlan): string {
  const common = new Set(other.gears.map(({ qps }) => qps[1]));
  const weights = [0];
  gears.forEach(({ qps }, g) => {
    weights[weights.length - 1] += qpsWeights[g];
    if (common.has(qps[1]) && g < gears.length - 1) weights.push(0);
  });
  // Do not compare a stated mean with an estimated one.
  const comparable = (meanQps === undefined) === (other.meanQps === undefined);
  const mean = comparable ? `, mean ${plannedMeanQps({ gears, qpsWeights, meanQps }).toFixed(1)} requests/s` : '';
  return `${weights.map((weight) => weight.toFixed(4)).join(' ')}${mean}`;
}

/** Expected figures of a stretch, before and after. */
export function figuresOf(load: LoadDiff): (readonly [before: number, after: number])[] {
  const { accuracy, accuracyInterval, latencyMsP95, utilisation } = load;
  const [before, after] = accuracyInterval;
  return [accuracy, [before[0], after[0]], [before[1], after[1]], latencyMsP95, utilisation];
}

function stretches(before: GearPlan, after: GearPlan): [from: number, to: number][] {
  const ends = [...new Set([before, after].flatMap((plan) => allGears(plan).map(({ qps }) => qps[1])))].sort((a, b) => a - b);
  return ends.map((to, i) => [ends[i - 1] ?? 0, to]);
}

function diffLoad(before: GearPlan, after: GearPlan, qps: readonly [number, number]): LoadDiff {
  const indices = [gearAt(before, qps[0]), gearAt(after, qps[0])] as const;
  const [a, b] = [allGears(before)[indices[0]], allGears(after)[indices[1]]];
  const busiest = ({ expected }: Gear): number => Math.max(0, ...Object.values(expected.utilisation));
  return {
    qps,
    gears: indices,
    bestEffort: [indices[0] >= before.gears.length, indices[1] >= after.gears.length],
    changes: diffGears(a, b),
    accuracy: [a.expected.accuracy, b.expected.accuracy],
    accuracyInterval: [a.expected.accuracyInterval, b.expected.accuracyInterval],
    latencyMsP95: [a.expected.latencyMs.p95, b.expected.latencyMs.p95],
    utilisation: [busiest(a), busiest(b)],
  };
}

/** The last gear also serves all loads above. */
function gearAt(plan: GearPlan, qps: number): number {
  const gears = allGears(plan);
  const found = gears.findIndex((gear) => qps < gear.qps[1]);
  return found === -1 ? gears.length - 1 : found;
}

function diffGears(a: Gear, b: Gear): Change[] {
  const models = ({ cascade }: Gear): string => cascade.map(({ model }) => model).join(' → ');
  const sameModels = models(a) === models(b);
  return [
    // With another cascade, all thresholds, shares and queue lengths differ; listing them would hide the point.
    ...(sameCascade(a.cascade, b.cascade) ? [] : cascadeChange(sameModels, a, b)),
    ...(sameModels ? changed('shares', describeShares(a.shares), describeShares(b.shares)) : []),
    ...(sameModels ? changed('minimum queues', describeQueues(a.minQueueLength), describeQueues(b.minQueueLength)) : []),
    ...changed('longest wait', `${a.maxWaitMs} ms`, `${b.maxWaitMs} ms`),
    ...changed('bottleneck', a.expected.bottleneck, b.expected.bottleneck),
  ];
}

/** With all digits where a few do not show a difference. */
function cascadeChange(sameModels: boolean, a: Gear, b: Gear): Change[] {
  const what = sameModels ? 'thresholds' : 'cascade';
  const short = changed(what, describeCascade(a.cascade), describeCascade(b.cascade));
  const exact = ({ cascade }: Gear): string => cascade.flatMap(({ threshold }) => threshold ?? []).join(', ');
  return short.length > 0 ? short : changed(what, exact(a), exact(b));
}

function describeShares(shares: Gear['shares']): string {
  return describeReplicas(shares, (share) => `${(100 * share).toFixed(1)} %`);
}

function describeQueues(lengths: Gear['minQueueLength']): string {
  return describeReplicas(lengths, String);
}

/** `mlp d0 50.0 % d1 50.0 %; cnn d1 100.0 %` */
function describeReplicas(byModel: Gear['shares'], write: (value: number) => string): string {
  return Object.entries(byModel)
    .map(([model, byDevice]) =>
      [model, ...Object.entries(byDevice).map(([device, value]) => `${device} ${write(value)}`)].join(' '),
    )
    .join('; ');
}

function changed(what: string, before: string, after: string): Change[] {
  return before === after ? [] : [{ what, before, after }];
}

function without(replicas: readonly Replica[], others: readonly Replica[]): Replica[] {
  return replicas.filter(({ model, device }) => !others.some((other) => other.model === model && other.device === device));
}
