import { ConfigError } from '../../../engine/errors.ts';
import { autoscale, type Ensemble, type ScalingRule } from '../ensembles/autoscaler.ts';
import { loadingMs } from '../ensembles/model-loading.ts';
import { canVote, votedQuality } from '../ensembles/weighted-majority.ts';
import { aimsOf } from './aims.ts';
import { holdings } from './ms.ts';
import type { Candidate, Strategy, StrategyContext } from './strategy.ts';

/** How often to decide what runs, and whether devices load ahead. */
const RHYTHMS = [
  { periodSeconds: 5, loadsAhead: 'no' },
  { periodSeconds: 5, loadsAhead: 'yes' },
  { periodSeconds: 20, loadsAhead: 'yes' },
] as const;
/** Larger ensembles are not tried. */
const MAX_MEMBERS = 5;

/**
 * Cocktail+, after Cocktail (Gunasekaran et al., NSDI 2022): ensembles with a weighted majority on autoscaled devices. As in
 * CascadeServe §6 it knows the future load and machines start at once, but models take time to load and warm up. Searches the latency
 * and the accuracy to aim at, one model per device or all members on each, the decision interval, and whether to load ahead.
 */
export const cocktail: Strategy = async (context) => {
  const { request, trace, targetsMs, capacities } = context;
  const { profile, devices } = request;
  if (!canVote(profile))
    throw new ConfigError(
      `--strategies: cocktail needs answers that are right or wrong classes, for its vote, and those of ${request.deployment} are not; leave it out`,
    );
  const candidates = new Map<string, Candidate>();
  for (const p95Ms of aimsOf(targetsMs)) {
    const carriedQps = (model: number, device: number): number =>
      capacities.fullQps(model, device) === 0 ? 0 : capacities.withinQps(model, [device], p95Ms);
    const ensembles = usefulEnsembles(context, carriedQps);
    const aims = accuracyAims(ensembles, context.accuracies);
    const shared = holdings(request).map(({ holds }) => ({ shared: holds[0] }));
    for (const placement of ['pools' as const, ...shared]) {
      for (const { periodSeconds, loadsAhead } of RHYTHMS) {
        const longestMs = Math.max(
          ...devices.map(({ deviceClass }) =>
            placement === 'pools'
              ? Math.max(...profile.models.map((_, model) => loadingMs([model], deviceClass, profile)))
              : loadingMs(placement.shared, deviceClass, profile),
          ),
        );
        for (const aimedAccuracy of aims) {
          const rule: ScalingRule = {
            aimedAccuracy,
            placement,
            periodMs: 1000 * periodSeconds,
            leadMs: loadsAhead === 'yes' ? longestMs : 0,
          };
          const schedule = autoscale(
            {
              modelNames: profile.models.map(({ name }) => name),
              deviceNames: devices.map(({ id }) => id),
              ensembles,
              carriedQps,
              fits: (models, device) =>
                models.reduce((sum, model) => sum + profile.models[model].memoryBytes, 0) <= devices[device].memoryBytes,
              loadingMs: (models, device) => loadingMs(models, devices[device].deviceClass, profile),
              trace,
            },
            rule,
          );
          if (schedule === undefined) continue;
          const settings = {
            aimedP95Ms: p95Ms,
            aimedAccuracy,
            placement: placement === 'pools' ? 'a model per device' : `${names(placement.shared, context)} on each device`,
            periodSeconds,
            loadsAhead,
          };
          const key = JSON.stringify([schedule.steps, schedule.plan.gears.map(({ shares }) => Array.from(shares))]);
          if (!candidates.has(key)) candidates.set(key, { type: 'ensembles', settings, schedule });
        }
      }
    }
  }
  return [...candidates.values()];
};

/** The accuracies of the cheapest ensembles that reach what is asked for, and of the least and the most accurate ones. */
function accuracyAims(ensembles: readonly Ensemble[], asked: readonly number[]): readonly number[] {
  const reaching = asked.flatMap((level) => ensembles.find(({ accuracy }) => accuracy >= level) ?? []);
  const ends = ensembles.length === 0 ? [] : [ensembles[0], ensembles[ensembles.length - 1]];
  return [...new Set([...reaching, ...ends].map(({ accuracy }) => accuracy))];
}

/** Ensembles on the Pareto frontier of accuracy and work; single models are ensembles of one. */
function usefulEnsembles({ request }: StrategyContext, carriedQps: (model: number, device: number) => number): Ensemble[] {
  const { profile, devices } = request;
  const work = (members: readonly number[]): number =>
    members.reduce((sum, model) => sum + 1 / Math.max(...devices.map((_, device) => carriedQps(model, device))), 0);
  const all = subsets(profile.models.length, MAX_MEMBERS)
    .map((members) => ({ members, work: work(members) }))
    .filter((ensemble) => Number.isFinite(ensemble.work))
    .map((ensemble) => ({ ...ensemble, accuracy: mean(votedQuality(profile, ensemble.members)) }))
    .sort((a, b) => a.work - b.work || b.accuracy - a.accuracy);
  let best = 0;
  return all.filter(({ accuracy }) => {
    if (accuracy <= best) return false;
    best = accuracy;
    return true;
  });
}

function subsets(count: number, most: number, from = 0): number[][] {
  if (most === 0) return [];
  const found: number[][] = [];
  for (let first = from; first < count; first++)
    found.push([first], ...subsets(count, most - 1, first + 1).map((others) => [first, ...others]));
  return found;
}

function mean(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function names(models: readonly number[], { request }: StrategyContext): string {
  return models.map((model) => request.profile.models[model].name).join('+');
}
