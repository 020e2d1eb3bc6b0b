import type { CertaintyKind, ScoreKind } from '../../plans/deployment.ts';
import { type Judge, judgeOf } from '../../plans/task/judge.ts';
import { createTask } from '../../plans/task/task.ts';

/** Reads batches of class scores. */
export function judgedBy(kind: CertaintyKind, scores: ScoreKind = 'logits'): Judge {
  return judgeOf(createTask({ task: 'classification', estimator: typeof kind === 'string' ? kind : 'margin', scores }), kind);
}
