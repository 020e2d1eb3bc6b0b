import { expect, test } from 'vitest';
import type { Queued } from '../../../../actors/device/batcher.ts';
import { finishBatch, type ReplicaOptions, standingResult } from '../../../../actors/device/model-replica.ts';
import { encodeStrings } from '../../../../engine/tensor/strings.ts';
import { evaluateCascade, thresholdAtQuantile, validationRecords } from '../../../../plans/domain/cascade/cascade.ts';
import { compilePlan } from '../../../../plans/policy/compiled-plan.ts';
import { judgedBy } from '../../../support/judges.ts';
import { planOf, workItem } from '../../../support/plans.ts';

const models = ['small', 'medium', 'large'];
const plan = compilePlan(planOf({ models, cascades: [['small', 'large'], ['small']] }));
const options: ReplicaOptions = {
  models,
  classes: ['cat', 'dog'],
  judge: judgedBy('margin', 'probabilities'),
};
const scores = (...rows: number[][]) => ({
  scores: Float32Array.from(rows.flat()),
  classes: 2,
  auxiliary: undefined,
  computeMs: 2,
});
const request = (fields = {}): Queued => ({ item: workItem({ id: 'r', arrivedAt: 90, ...fields }), origin: 'f', enqueuedAt: 95 });
const finish = (gear: number, model: number, request: Queued, row: number[]) =>
  finishBatch(options, { revision: 3, gear: plan.gears[gear] }, model, [request], scores(row), 98, 100)[0];

test('a certain answer is final', () => {
  expect(finish(0, 0, request(), [0.1, 0.9])).toMatchObject({
    type: 'answer',
    result: {
      id: 'r',
      label: 1,
      className: 'dog',
      model: 'small',
      stage: 0,
      exit: 'certain',
      gear: 0,
      revision: 3,
      timing: { queueMs: 3, computeMs: 2, totalMs: 10 },
    },
  });
});

test('an uncertain answer moves on to the next model of the gear with the opinion and the times so far', () => {
  expect(finish(0, 0, request({ queueMs: 1, computeMs: 1 }), [0.45, 0.55])).toMatchObject({
    type: 'forward',
    model: 2,
    item: { queueMs: 4, computeMs: 3, opinion: { label: 1, model: 'small', stage: 0 } },
  });
});

test('the last model of the gear answers, however uncertain', () => {
  expect(finish(0, 2, request(), [0.5, 0.5])).toMatchObject({ type: 'answer', result: { exit: 'last', stage: 1 } });
});

test('a model that is not in the gear passes on to a later one of the gear, or its answer stands', () => {
  expect(finish(0, 1, request(), [0.01, 0.99])).toMatchObject({ type: 'forward', model: 2 });
  expect(finish(1, 1, request(), [0.01, 0.99])).toMatchObject({ type: 'answer', result: { exit: 'gear', stage: -1 } });
});

test('an answer of NaN is never certain: the request moves on with the opinion it had', () => {
  const opinion = { label: 1, certainty: 0.1, model: 'small', stage: 0 };
  expect(finish(0, 0, request(), [Number.NaN, 1])).toMatchObject({ type: 'forward', model: 2, item: { opinion: undefined } });
  expect(finish(0, 1, request({ opinion }), [Number.NaN, 1])).toMatchObject({ type: 'forward', model: 2, item: { opinion } });
});

test('NaN from the last model is a failure that names the model', () => {
  expect(finish(0, 2, request(), [Number.NaN, 1])).toMatchObject({
    type: 'failed',
    message: 'model large returned scores that are not numbers (NaN) for this input',
  });
});

test('scores are part of the answer when asked for', () => {
  const outcome = finish(0, 0, request({ wantScores: true }), [0, 1]);
  expect(outcome).toMatchObject({ result: { scores: [0, 1] } });
});

test('requested outputs are a row of the batch, and stay with an answer that moves on', () => {
  const output = {
    ...scores([0.45, 0.55], [0, 1]),
    outputs: [
      { name: 'boxes', dtype: 'uint8' as const, shape: [2], data: Uint8Array.of(1, 2, 3, 4) },
      { name: 'words', dtype: 'string' as const, shape: [1], data: encodeStrings(['ant', 'bee']) },
    ],
  };
  const requests = [request({ wantOutputs: ['boxes'] }), request({ wantOutputs: ['words', 'boxes'] })];
  const [first, second] = finishBatch(options, { revision: 3, gear: plan.gears[0] }, 0, requests, output, 98, 100);
  expect(first).toMatchObject({ type: 'forward', item: { opinion: { outputs: { boxes: { data: Uint8Array.of(1, 2) } } } } });
  expect(second).toMatchObject({
    type: 'answer',
    result: { outputs: { boxes: { shape: [2], data: Uint8Array.of(3, 4) }, words: { data: encodeStrings(['bee']) } } },
  });
  if (first.type !== 'forward') throw new Error('a certain answer');
  const standing = standingResult(
    options,
    { revision: 3, gear: plan.gears[0] },
    first.item,
    first.item.opinion!,
    'deadline',
    120,
  );
  expect(standing.outputs?.boxes.data).toEqual(Uint8Array.of(1, 2));
});

test.each([
  ['margin', 'logits'],
  ['max-probability', 'logits'],
  ['entropy', 'logits'],
  ['margin', 'probabilities'],
  ['entropy', 'probabilities'],
] as const)('samples move on as often as planned when many certainties, by %s of %s, round to 1', (estimator, kind) => {
  const count = 400;
  const judge = judgedBy(estimator, kind);
  const output = scores(
    ...Array.from({ length: count }, (_, i) => {
      const margin = 5 + (30 * i) / count;
      const p = 1 / (1 + Math.exp(-margin));
      return kind === 'logits' ? [margin, 0] : [p, 1 - p];
    }),
  );
  const certainties = Float32Array.from({ length: count }, (_, i) => judge(output, i).certainty);
  const recorded = { quality: new Float32Array(count).fill(1), certainties };
  const records = validationRecords({ models: [recorded, recorded] });
  const threshold = thresholdAtQuantile(records, 0, 0.8);
  const [, planned] = evaluateCascade(records, [0, 1], [threshold]).reach;
  const { gears } = compilePlan(planOf({ models: ['small', 'large'], threshold }));
  const family = { models: ['small', 'large'], classes: undefined, judge };
  const requests = Array.from({ length: count }, () => request());
  const outcomes = finishBatch(family, { revision: 1, gear: gears[0] }, 0, requests, output, 98, 100);
  expect(planned).toBeLessThan(0.9);
  expect(outcomes.filter(({ type }) => type === 'forward').length / count).toBe(planned);
});
