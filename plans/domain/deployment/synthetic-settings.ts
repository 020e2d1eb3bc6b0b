import type { ModelEntry } from './model-entry.ts';
import type { DeploymentYaml } from './schema.ts';
import type { Problem } from './yaml-problems.ts';

/** A made-up model: a batch of n takes fixedMs + n * perSampleMs. */
interface SyntheticModel {
  readonly name: string;
  readonly accuracy: number;
  readonly fixedMs: number;
  readonly perSampleMs: number;
  readonly memoryBytes: number;
}

/** A made-up family: its profile is generated, its devices are emulated. */
export interface SyntheticSettings {
  readonly models: readonly SyntheticModel[];
  readonly samples: number;
  readonly classes: number;
  readonly correlation: number;
  readonly batches: readonly number[];
  readonly seed: number;
}

type SyntheticYaml = NonNullable<DeploymentYaml['synthetic']>;

export function syntheticSettings({ models, ...settings }: SyntheticYaml): SyntheticSettings {
  return {
    ...settings,
    models: cheapestFirst(models, settings.batches).map(({ fixed, perSample, memory, ...model }) => ({
      ...model,
      fixedMs: fixed,
      perSampleMs: perSample,
      memoryBytes: memory,
    })),
  };
}

export function syntheticEntries({ models, batches }: SyntheticYaml): ModelEntry[] {
  return cheapestFirst(models, batches).map(({ name }) => ({ name, file: `synthetic:${name}`, maxBatch: Math.max(...batches) }));
}

/** Same order as for real families: see `inFamilyOrder`. */
function cheapestFirst(models: SyntheticYaml['models'], batches: readonly number[]): SyntheticYaml['models'] {
  const largest = Math.max(...batches);
  const sampleMs = ({ fixed, perSample }: SyntheticYaml['models'][number]): number => fixed / largest + perSample;
  return models.toSorted((a, b) => sampleMs(a) - sampleMs(b));
}

/** Settings that a synthetic family cannot have: it has no files, and its devices are emulated. */
export function syntheticProblems({ synthetic, data, classes, devices }: DeploymentYaml): Problem[] {
  if (synthetic === undefined) return [];
  const problems: Problem[] = devices.flatMap(({ kind }, i) =>
    kind === 'emulated'
      ? []
      : [{ path: ['devices', i, 'kind'], message: `${kind} cannot run a synthetic family; write emulated` }],
  );
  if (data !== undefined) problems.push({ path: ['data'], message: 'a synthetic family makes its own samples; leave it out' });
  if (classes !== undefined && classes.length !== synthetic.classes)
    problems.push({ path: ['classes'], message: `names ${classes.length} classes; synthetic.classes says ${synthetic.classes}` });
  return problems;
}
