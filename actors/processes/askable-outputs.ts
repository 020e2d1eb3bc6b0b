import type { ServingContext } from './serving-context.ts';

/** Model outputs that requests may ask for: those that all models have, because any of them may answer. */
export function askableOutputs({ deployment, profile }: Pick<ServingContext, 'deployment' | 'profile'>): readonly string[] {
  // Emulated devices run no models.
  if (deployment.devices.some(({ kind }) => kind === 'emulated')) return [];
  const [first, ...others] = profile.models.map(({ outputs = [] }) => outputs);
  return first.filter((output) => others.every((outputs) => outputs.includes(output)));
}
