import type { Stage } from '../../../plans/domain/gear-plan/gear-plan.ts';
import type { Result } from '../../../plans/protocol/messages.ts';
import { certaintyOf, labelOf } from './records.ts';

/** Tolerance for sums of times, in milliseconds. */
const ROUNDING_MS = 1e-6;

/**
 * The problem with a result: it must be the recorded answer of its model to its request, and have ended for the reason that
 * it gives.
 */
export function wrongInResult(
  result: Result,
  request: number | undefined,
  models: readonly string[],
  cascadesOf: (revision: number, gear: number) => readonly (readonly Stage[])[],
): string | undefined {
  if (request === undefined) return 'nobody asked this';
  const model = models.indexOf(result.model);
  if (model === -1) return 'there is no such model';
  if (result.label !== labelOf(request, model)) return `its label is ${labelOf(request, model)}`;
  if (result.certainty !== certaintyOf(request, model)) return `its certainty is ${certaintyOf(request, model)}`;
  const { queueMs, computeMs, totalMs } = result.timing;
  if (!(queueMs >= 0 && computeMs >= 0 && queueMs + computeMs <= totalMs + ROUNDING_MS)) return 'its times do not add up';
  const cascades = cascadesOf(result.revision, result.gear);
  if (!cascades.some((cascade) => explains(cascade, result))) return 'no gear of that number ends it there';
  return undefined;
}

function explains(cascade: readonly Stage[], { exit, model, certainty }: Result): boolean {
  const stage = cascade.find((each) => each.model === model);
  switch (exit) {
    case 'certain':
      return stage?.threshold !== undefined && certainty >= stage.threshold;
    case 'last':
      return stage !== undefined && stage.threshold === undefined;
    case 'gear':
    case 'deadline':
      return true;
  }
}
