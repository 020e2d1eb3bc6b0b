import type { Attributes, Tracing } from '../../engine/tracing/tracing.ts';
import type { Outcome, ReplicaOptions } from './model-replica.ts';

/**
 * Records two spans for each traced request of a batch: its wait in the model's queue, and the batch's inference with the request's
 * outcome.
 */
export function recordBatch(
  tracing: Tracing,
  { device, models }: Pick<ReplicaOptions, 'models'> & { readonly device: string },
  model: number,
  outcomes: readonly Outcome[],
  startedAt: number,
  now: number,
): void {
  for (const outcome of outcomes) {
    const { item, enqueuedAt } = outcome.request;
    if (item.trace === undefined) continue;
    const where = { 'cascade.device': device, 'cascade.model': models[model] };
    const of = { kind: 'internal', parent: item.trace } as const;
    tracing.start({ ...of, name: 'cascade.queue', startedAt: enqueuedAt }).end(startedAt, where);
    tracing
      .start({ ...of, name: 'cascade.inference', startedAt })
      .end(
        now,
        { ...where, 'cascade.batch.size': outcomes.length, 'cascade.certainty': outcome.certainty, ...endOf(outcome, models) },
        outcome.type === 'failed' ? outcome.message : undefined,
      );
  }
}

function endOf(outcome: Outcome, models: readonly string[]): Attributes {
  switch (outcome.type) {
    case 'answer': {
      const { exit, stage, gear, revision } = outcome.result;
      return { 'cascade.exit': exit, 'cascade.stage': stage, 'cascade.gear': gear, 'cascade.revision': revision };
    }
    case 'forward':
      return { 'cascade.next_model': models[outcome.model] };
    case 'failed':
      return {};
  }
}
