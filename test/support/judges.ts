import type { CertaintyKind, ScoreKind } from '../../plans/domain/deployment/model-entry.ts';
import { createTask } from '../../plans/domain/task/create-task.ts';
import { type Judge, judgeOf } from '../../plans/domain/task/judge.ts';

/** A judge of class scores. */
export function judgedBy(kind: CertaintyKind, scores: ScoreKind = 'logits'): Judge {
  return judgeOf(createTask({ task: 'classification', estimator: typeof kind === 'string' ? kind : 'margin', scores }), kind);
}
