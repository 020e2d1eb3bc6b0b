import { noEstimate } from './custom.ts';
import type { Task, TaskSettings, Truth } from './task.ts';

/**
 * Values, one per column. An answer is right when each value is within the tolerance of the true one; accuracy is the share of samples
 * for which that holds. Certainty comes from a model output.
 */
export function regression({ tolerance = 0 }: Pick<TaskSettings, 'tolerance'>): Task {
  const within = (a: Truth, b: Truth): number => {
    for (let i = 0; i < a.length; i++) if (!(Math.abs(a[i] - b[i]) <= tolerance)) return 0;
    return a.length === b.length ? 1 : 0;
  };
  return {
    predict: (scores, offset, columns) => ({
      value: columns === 1 ? scores[offset] : Array.from(scores.subarray(offset, offset + columns)),
    }),
    certainty: noEstimate,
    quality: ({ value }, truth) => within(asList(value), truth),
    agreement: (a, b) => within(asList(a.value), asList(b.value)),
  };
}

function asList(value: number | readonly number[] | undefined): readonly number[] {
  return typeof value === 'number' ? [value] : (value ?? []);
}
