import type { ServingContext } from './serving-context.ts';

/** Outputs of models that requests may ask for: whatever model answers has these. */
export function askableOutputs({ deployment, profile }: Pick<ServingContext, 'deployment' | 'profile'>): readonly string[] {
  // Emulated devices know no models.
  if (deployment.devices.some(({ kind }) => kind === 'emulated')) return [];
  const [first, ...others] = profile.models.map(({ outputs = [] }) => outputs);
  return first.filter((output) => others.every((outputs) => outputs.includes(output)));
}
