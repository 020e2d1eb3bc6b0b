import { expect, test } from 'vitest';
import { recordBatch } from '../../../../actors/device/batch-spans.ts';
import type { Outcome } from '../../../../actors/device/model-replica.ts';
import type { Attributes, SpanStart, Tracing } from '../../../../engine/tracing/tracing.ts';
import { workItem } from '../../../support/plans.ts';

interface Recorded extends SpanStart {
  readonly endedAt: number;
  readonly attributes: Attributes;
  readonly error: string | undefined;
}

function record(outcomes: readonly Outcome[]): Recorded[] {
  const recorded: Recorded[] = [];
  const tracing: Tracing = {
    start: (span) => ({
      context: '',
      traceparent: undefined,
      end: (endedAt, attributes, error) => recorded.push({ ...span, endedAt, attributes, error }),
    }),
    close: async () => undefined,
  };
  recordBatch(tracing, { device: 'd0', models: ['small', 'large'] }, 0, outcomes, 98, 100);
  return recorded;
}

const of = (trace: string | undefined) => ({
  request: { item: workItem({ trace }), origin: 'f', enqueuedAt: 95 },
  certainty: 0.5,
});
const next = (trace: string | undefined): Outcome => ({ ...of(trace), type: 'forward', model: 1, item: workItem({ trace }) });

test('records the wait and the inference of each traced request, and no others', () => {
  const recorded = record([next('t1'), next(undefined), { ...of('t2'), type: 'failed', message: 'no number' }]);
  expect(recorded.map(({ name, parent }) => [name, parent])).toEqual([
    ['cascade.queue', 't1'],
    ['cascade.inference', 't1'],
    ['cascade.queue', 't2'],
    ['cascade.inference', 't2'],
  ]);
  const [queue, inference, , failed] = recorded;
  expect(queue).toMatchObject({ startedAt: 95, endedAt: 98 });
  expect(inference).toMatchObject({
    startedAt: 98,
    endedAt: 100,
    attributes: {
      'cascade.device': 'd0',
      'cascade.model': 'small',
      'cascade.batch.size': 3,
      'cascade.certainty': 0.5,
      'cascade.next_model': 'large',
    },
  });
  expect(failed.error).toBe('no number');
});
