import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ConfigError, messageOf } from '../../engine/errors.ts';

/** Of `npm run bench:planner`: ours beside exhaustive search on a reduced space (CascadeServe Fig. 10). */
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

/** Of `npm run bench:fidelity`: the same plans simulated and live (CascadeServe Fig. 13). */
const fidelity = z.object({
  date: z.string(),
  rows: z.array(z.object({ plan: z.number(), simulatedP95Ms: z.number(), liveP95Ms: z.number(), synthetic: z.boolean() })),
});

/** Figures that benches have measured before; null: there is no such result. */
export interface BenchResults {
  readonly plannerQuality: z.infer<typeof plannerQuality> | null;
  readonly fidelity: z.infer<typeof fidelity> | null;
}

const NO_RESULTS: BenchResults = { plannerQuality: null, fidelity: null };

/** @throws ConfigError for a folder that is not there, or a file that is no such result. */
export function readBenchResults(folder: string | undefined): BenchResults {
  if (folder === undefined) return NO_RESULTS;
  if (!existsSync(folder))
    throw new ConfigError(`--results ${folder}: there is no such folder; run \`npm run bench:planner\` first`);
  return {
    plannerQuality: readResult(join(folder, 'planner-quality.json'), plannerQuality),
    fidelity: readResult(join(folder, 'fidelity.json'), fidelity),
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
  throw new ConfigError(`--results: ${file} is no result of that bench:\n${z.prettifyError(parsed.error)}`);
}
