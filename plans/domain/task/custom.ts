import type { Task } from './task.ts';

/**
 * Anything else, such as detection or ranking. The answer is the set of outputs a request asks for; the quality of each model on each
 * sample is read from a file. Certainty comes from a model output.
 */
export function custom(): Task {
  return {
    predict: () => ({}),
    certainty: noEstimate,
    quality: () => {
      throw new Error('the quality of a custom task is recorded, not computed');
    },
    agreement: () => undefined,
  };
}

export function noEstimate(): never {
  throw new Error('this task has no class scores to estimate certainty from');
}
