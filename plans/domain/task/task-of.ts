import type { AuxiliaryOutput } from '../../../engine/backend/backend.ts';
import type { Deployment } from '../deployment/deployment.ts';
import type { ModelEntry } from '../deployment/model-entry.ts';
import { createTask } from './create-task.ts';
import { type Judge, judgeOf } from './judge.ts';
import type { Task } from './task.ts';

type TaskOptions = Pick<Deployment, 'task' | 'certainty' | 'scores' | 'tolerance'>;

/** How to interpret a model's scores; without a model, those of the family, which a model may override. */
export function taskOf({ task, certainty, scores, tolerance }: TaskOptions, model?: Pick<ModelEntry, 'scores'>): Task {
  return createTask({
    task,
    // Not used when certainty is a model output.
    estimator: typeof certainty === 'string' ? certainty : 'margin',
    scores: model?.scores ?? scores,
    tolerance,
  });
}

/** How to read a model's batches. */
export function judgeOfModel(deployment: TaskOptions, model: Pick<ModelEntry, 'scores'>): Judge {
  return judgeOf(taskOf(deployment, model), deployment.certainty);
}

/** What a backend reads in addition to the scores, for `judgeOfModel`. */
export function auxiliaryOf(deployment: Pick<Deployment, 'certainty'>): AuxiliaryOutput | undefined {
  const name = certaintyOutputOf(deployment);
  return name === undefined ? undefined : { name, holds: 'the certainty' };
}

/** The model output that holds certainties; undefined when they are estimated from the scores. */
export function certaintyOutputOf({ certainty }: Pick<Deployment, 'certainty'>): string | undefined {
  if (typeof certainty === 'string') return undefined;
  return 'output' in certainty ? certainty.output : certainty.spread;
}
