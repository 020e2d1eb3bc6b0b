import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { NO_NUMBER } from '../../../../../plans/domain/cascade/certainty.ts';
import { createTask } from '../../../../../plans/domain/task/create-task.ts';
import { judgeOf } from '../../../../../plans/domain/task/judge.ts';
import type { TaskSettings } from '../../../../../plans/domain/task/task.ts';

const taskOf = (settings: Partial<TaskSettings>) =>
  createTask({ task: 'classification', estimator: 'margin', scores: 'probabilities', ...settings });

/** What a task says about one row of scores. */
function said(settings: Partial<TaskSettings>, ...row: number[]) {
  const task = taskOf(settings);
  const scores = Float32Array.of(99, ...row);
  return { ...task.predict(scores, 1, row.length), certainty: task.certainty(scores, 1, row.length) };
}

describe('classification', () => {
  it('answers the class with the highest score, which is right or wrong', () => {
    const { certainty, ...prediction } = said({}, 0.1, 0.7, 0.2);
    expect(prediction).toEqual({ label: 1 });
    expect(certainty).toBeCloseTo(0.5, 6);
    const task = taskOf({});
    expect([task.quality({ label: 1 }, [1]), task.quality({ label: 1 }, [0])]).toEqual([1, 0]);
    expect([task.agreement({ label: 1 }, { label: 1 }), task.agreement({ label: 1 }, { label: 2 })]).toEqual([1, 0]);
  });
});

describe('binary', () => {
  const task = 'binary';

  it.each([
    [0.8, 1, 0.6],
    [0.4, 0, 0.2],
    [0.5, 0, 0],
    [1, 1, 1],
  ])('a probability of %s is label %i, certain by |2p - 1| = %s', (p, label, margin) => {
    const found = said({ task }, p);
    expect(found.label).toBe(label);
    expect(found.certainty).toBeCloseTo(margin, 6);
  });

  it('one column gives the same as two, with every estimator, as logits or probabilities', () => {
    const cases = fc.record({
      estimator: fc.constantFrom('margin', 'logit-margin', 'max-probability', 'entropy'),
      logit: fc.float({ min: -8, max: 8, noNaN: true }),
    });
    fc.assert(
      fc.property(cases, ({ estimator, logit }) => {
        const p = 1 / (1 + Math.exp(-logit));
        for (const [scores, one, two] of [
          ['logits', [logit], [0, logit]],
          ['probabilities', [p], [1 - p, p]],
        ] as const) {
          const ofOne = said({ task, estimator, scores }, ...one);
          const ofTwo = said({ task, estimator, scores }, ...two);
          expect(ofOne.certainty).toBeCloseTo(ofTwo.certainty, 5);
          if (Math.abs(logit) > 1e-3) expect(ofOne.label).toBe(ofTwo.label);
        }
      }),
    );
  });
});

describe('multi-label', () => {
  const task = 'multi-label';

  it('answers every label above one half, and is as certain as the least certain of them', () => {
    const { labels, certainty } = said({ task }, 0.9, 0.1, 0.6);
    expect(labels).toEqual([0, 2]);
    expect(certainty).toBeCloseTo(0.2, 5);
    expect(said({ task, scores: 'logits' }, -3, 3, 0.1).labels).toEqual([1, 2]);
  });

  it.each([
    [[0, 2], [1, 0, 1], 1],
    [[0], [1, 0, 1], 1 / 2],
    [[0, 1], [1, 0, 1], 1 / 3],
    [[], [1, 0, 1], 0],
    [[], [0, 0, 0], 1],
  ])('quality of %j for %j is the Jaccard index %s', (labels, truth, quality) => {
    expect(taskOf({ task }).quality({ labels }, truth)).toBeCloseTo(quality, 9);
  });
});

describe('regression', () => {
  const task = taskOf({ task: 'regression', tolerance: 0.5 });

  it('answers the value, or the values', () => {
    expect(task.predict(Float32Array.of(1, 2.5), 1, 1)).toEqual({ value: 2.5 });
    expect(task.predict(Float32Array.of(1, 2.5), 0, 2)).toEqual({ value: [1, 2.5] });
  });

  it('is right if every value is within the tolerance', () => {
    expect([task.quality({ value: 2 }, [2.5]), task.quality({ value: 2 }, [2.75])]).toEqual([1, 0]);
    expect([task.quality({ value: [1, 2] }, [1.5, 2]), task.quality({ value: [1, 2] }, [1, 3])]).toEqual([1, 0]);
    expect(task.quality({ value: Number.NaN }, [1])).toBe(0);
    expect([task.agreement({ value: 1 }, { value: 1.25 }), task.agreement({ value: 1 }, { value: 2 })]).toEqual([1, 0]);
  });
});

test('a custom task answers nothing by itself, and its answers cannot be compared', () => {
  const task = taskOf({ task: 'custom' });
  expect(task.predict(Float32Array.of(1), 0, 1)).toEqual({});
  expect(task.agreement({}, {})).toBeUndefined();
});

describe('judgeOf', () => {
  const classes = taskOf({ scores: 'logits', estimator: 'logit-margin' });
  const batch = (certainty: number[] | undefined, ...scores: number[]) => ({
    scores: Float32Array.from(scores),
    classes: 2,
    auxiliary: certainty && Float32Array.from(certainty),
    computeMs: 1,
  });

  it('estimates from the row of scores', () => {
    expect(judgeOf(classes, 'logit-margin')(batch(undefined, 0, 0, 7, 3), 1)).toEqual({ prediction: { label: 0 }, certainty: 4 });
  });

  it('takes the model output if the deployment says so', () => {
    expect(judgeOf(classes, { output: 'sure' })(batch([0.25, 0.75], 0, 1, 1, 0), 1).certainty).toBe(0.75);
  });

  it('takes the spread of an ensemble: the closer its members, the more certain', () => {
    const judge = judgeOf(classes, { spread: 'members' });
    const output = batch([4, 4, 4, 1, 3, 5], 0, 1, 1, 0);
    expect(judge(output, 0).certainty).toBe(1);
    expect(judge(output, 1).certainty).toBeCloseTo(1 / (1 + Math.sqrt(8 / 3)), 6);
  });

  it.each([
    ['a score', judgeOf(classes, 'margin'), batch(undefined, Number.NaN, 1)],
    ['a certainty', judgeOf(classes, { output: 'sure' }), batch([Number.NaN], 0, 1)],
    ['a member', judgeOf(classes, { spread: 'members' }), batch([1, Number.NaN], 0, 1)],
  ])('recognises %s that is not a number', (_, judge, output) => {
    expect(judge(output, 0).certainty).toBe(NO_NUMBER);
  });

  it.each([
    ['estimated from logits', judgeOf(taskOf({ scores: 'logits' }), 'margin'), batch(undefined, 20, 0)],
    ['of an ensemble', judgeOf(classes, { spread: 'members' }), batch([1, 1.1], 0, 1)],
  ])('rounds a certainty %s to single precision, like the profile', (_, judge, output) => {
    const { certainty } = judge(output, 0);
    expect(certainty).toBe(Math.fround(certainty));
  });

  it.each([
    ['an infinite certainty', judgeOf(classes, { output: 'sure' }), batch([Number.POSITIVE_INFINITY], 0, 1)],
    ['a margin beyond single precision', judgeOf(classes, 'logit-margin'), batch(undefined, 3e38, -3e38)],
  ])('keeps %s finite, because JSON has no infinity', (_, judge, output) => {
    const { certainty } = judge(output, 0);
    expect(certainty).toBeGreaterThan(1e38);
    expect(Math.fround(certainty)).toBeLessThan(Number.POSITIVE_INFINITY);
  });
});
