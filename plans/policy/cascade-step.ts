import type { CompiledGear } from './compiled-plan.ts';

/** Outcomes of `cascadeStep` that end a request; any number >= 0 is the next model. */
export const CERTAIN = -1;
export const LAST = -2;
export const NO_LATER_MODEL = -3;

/**
 * Where a sample goes after `model` answered with `certainty`, under the gear in force at completion:
 * final when certain enough or last; else the next model. A model outside the gear has no threshold there: its uncertain
 * answers cannot be told apart, so the sample goes to the first later model of the gear, or its answer stands.
 */
export function cascadeStep(gear: CompiledGear, model: number, certainty: number): number {
  const next = gear.next[model];
  if (gear.stageOf[model] === -1) return next === -1 ? NO_LATER_MODEL : next;
  if (next === -1) return LAST;
  return certainty >= gear.threshold[model] ? CERTAIN : next;
}
