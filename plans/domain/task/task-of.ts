import type { AuxiliaryOutput } from '../../../engine/backend/backend.ts';
import type { Deployment } from '../deployment/deployment.ts';
import type { ModelEntry } from '../deployment/model-entry.ts';
import { createTask } from './create-task.ts';
import { type Judge, judgeOf } from './judge.ts';
import type { Task } from './task.ts';

type TaskOptions = Pick<Deployment, 'task' | 'certainty' | 'scores' | 'tolerance'>;

/** What the scores of a model of the deployment mean; without a model, what those of the family do, unless a model says otherwise. */
export function taskOf({ task, certainty, scores, tolerance }: TaskOptions, model?: Pick<ModelEntry, 'scores'>): Task {
  return createTask({
    task,
    // Where certainty is a model output, no estimator is asked.
    estimator: typeof certainty === 'string' ? certainty : 'margin',
    scores: model?.scores ?? scores,
    tolerance,
  });
}

/** How a model's batches are read. */
export function judgeOfModel(deployment: TaskOptions, model: Pick<ModelEntry, 'scores'>): Judge {
  return judgeOf(taskOf(deployment, model), deployment.certainty);
}

/** What a backend reads beside the scores for `judgeOfModel`. */
export function auxiliaryOf(deployment: Pick<Deployment, 'certainty'>): AuxiliaryOutput | undefined {
  const name = certaintyOutputOf(deployment);
  return name === undefined ? undefined : { name, holds: 'the certainty' };
}

/** The model output that certainties are read from; undefined where they are estimated from the scores. */
export function certaintyOutputOf({ certainty }: Pick<Deployment, 'certainty'>): string | undefined {
  if (typeof certainty === 'string') return undefined;
  return 'output' in certainty ? certainty.output : certainty.spread;
}
