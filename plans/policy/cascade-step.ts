import type { CompiledGear } from './compiled-plan.ts';

/** Outcomes of `cascadeStep` that end a request; any number >= 0 is the next model. */
export const CERTAIN = -1;
export const LAST = -2;
export const NO_LATER_MODEL = -3;

/**
 * Where a sample goes after `model` answered with `certainty`, under the gear in force at completion: it is final when certain enough
 * or at the last stage, else it moves on to the next model. A model outside the gear has no threshold, so we cannot tell whether its
 * answer is certain: the sample moves on to the first later model of the gear, or the answer stands if there is none.
 */
export function cascadeStep(gear: CompiledGear, model: number, certainty: number): number {
  const next = gear.next[model];
  if (gear.stageOf[model] === -1) return next === -1 ? NO_LATER_MODEL : next;
  if (next === -1) return LAST;
  return certainty >= gear.threshold[model] ? CERTAIN : next;
}
