import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ConfigError, messageOf } from '../../engine/errors.ts';
import { STRATEGY_NAMES } from './strategies/names.ts';

/** Results of `npm run bench:planner`: ours against exhaustive search on a reduced space (CascadeServe Fig. 10). */
const plannerQuality = z.object({
  date: z.string(),
  quality: z.array(
    z.object({
      name: z.string(),
      p95Ms: z.number(),
      exhaustiveAccuracy: z.number(),
      exhaustiveSeconds: z.number(),
      seconds: z.number(),
      plans: z.array(z.object({ accuracy: z.number(), p95Ms: z.number() })).min(1),
      random: z.object({ accuracy: z.number().nullable() }),
    }),
  ),
});

/** Results of `npm run bench:fidelity`: the same plans simulated and live (CascadeServe Fig. 13). */
const fidelity = z.object({
  date: z.string(),
  rows: z.array(z.object({ plan: z.number(), simulatedP95Ms: z.number(), liveP95Ms: z.number(), synthetic: z.boolean() })),
});

const liveStrategy = z.object({
  strategy: z.enum(STRATEGY_NAMES),
  settings: z.record(z.string(), z.union([z.string(), z.number()])),
  /** Share of the seconds whose p95 was within the SLO. */
  attainment: z.number(),
  /** Over all requests; null if more than one in twenty got no answer. */
  p95Ms: z.number().nullable(),
  accuracy: z.number(),
  accuracyOutside: z.number(),
  accuracyInCrowd: z.number(),
  refusedShare: z.number(),
  voidRuns: z.number(),
  runs: z.number(),
  simulated: z.object({ attainment: z.number().nullable(), p95Ms: z.number(), accuracy: z.number() }),
  seconds: z.array(
    z.object({
      second: z.number(),
      offered: z.number(),
      completed: z.number(),
      p95Ms: z.number().nullable(),
      accuracy: z.number().nullable(),
      metSlo: z.boolean().nullable(),
    }),
  ),
});
/** A strategy served live through a flash crowd: medians of its runs, and one run second by second. */
export type LiveStrategy = z.infer<typeof liveStrategy>;

/** Results of `npm run bench:strategies`: real models on one CPU device (CascadeServe Fig. 8, 9). */
const strategies = z.object({
  date: z.string(),
  cpu: z.string(),
  sloMs: z.number(),
  calmQps: z.number(),
  crowdQps: z.number(),
  /** Settings were chosen in the simulator with this much headroom. */
  searchedAt: z.object({ timesTheLoad: z.number(), shareOfSlo: z.number() }),
  rounds: z.number(),
  besideOtherWork: z.boolean(),
  strategies: z.array(liveStrategy).min(1),
});

/** Results of `npm run bench:scaling`: the cost of planning and serving as work grows. */
const scaling = z.object({
  date: z.string(),
  cpu: z.string(),
  besideOtherWork: z.boolean(),
  /** What was planned and served, in words. */
  planningCase: z.string(),
  servingCase: z.string(),
  planning: z.array(
    z.object({
      vary: z.enum(['devices', 'ranges', 'models']),
      value: z.number(),
      seconds: z.number(),
      processorSeconds: z.number(),
    }),
  ),
  serving: z.array(
    z.object({
      vary: z.enum(['devices', 'frontends', 'ranges', 'models']),
      value: z.number(),
      /** Processor time per answered request, in microseconds. */
      frontendsUs: z.number(),
      controllerUs: z.number(),
      devicesUs: z.number(),
    }),
  ),
});
export type PlanningCost = z.infer<typeof scaling>['planning'][number];
export type ServingCost = z.infer<typeof scaling>['serving'][number];

/** Results of earlier benches; null where there is none. */
export interface BenchResults {
  readonly plannerQuality: z.infer<typeof plannerQuality> | null;
  readonly fidelity: z.infer<typeof fidelity> | null;
  readonly strategies: z.infer<typeof strategies> | null;
  readonly scaling: z.infer<typeof scaling> | null;
}

const NO_RESULTS: BenchResults = { plannerQuality: null, fidelity: null, strategies: null, scaling: null };

/** @throws ConfigError if the folder does not exist, or a file is not a result of its bench. */
export function readBenchResults(folder: string | undefined): BenchResults {
  if (folder === undefined) return NO_RESULTS;
  if (!existsSync(folder))
    throw new ConfigError(`--results ${folder}: there is no such folder; run \`npm run bench:planner\` first`);
  return {
    plannerQuality: readResult(join(folder, 'planner-quality.json'), plannerQuality),
    fidelity: readResult(join(folder, 'fidelity.json'), fidelity),
    strategies: readResult(join(folder, 'strategies.json'), strategies),
    scaling: readResult(join(folder, 'scaling.json'), scaling),
  };
}

function readResult<T>(file: string, schema: z.ZodType<T>): T | null {
  if (!existsSync(file)) return null;
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new ConfigError(`--results: ${file}: ${messageOf(error)}`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ConfigError(`--results: ${file} is not a result of that bench:\n${z.prettifyError(parsed.error)}`);
}
