import { expect, test } from 'vitest';
import { CertaintyCounter } from '../../../../actors/device/certainty-counter.ts';
import { compilePlan } from '../../../../plans/policy/compiled-plan.ts';
import { planOf } from '../../../support/plans.ts';

const { models, gears } = compilePlan(planOf({ models: ['small', 'large'], cascades: [['small', 'large'], ['large']] }));
const edges = Float64Array.from({ length: 19 }, (_, i) => (i + 1) / 20);
const from = (certainty: number) => ({ label: 0, certainty, model: 'small', stage: 0, gear: 0, revision: 1 });

test('samples are counted per gear and model, and reported once', () => {
  const counter = new CertaintyCounter(models);
  counter.count(7, gears[0], 0, edges, undefined, 0.12);
  counter.count(7, gears[0], 0, edges, undefined, 0.13);
  counter.count(7, gears[0], 1, edges, from(0.12), 0.97);
  counter.count(8, gears[1], 1, edges, undefined, 0);
  const told = counter.take();
  expect(told.map(({ revision, gear, model }) => [revision, gear, model])).toEqual([
    [7, 0, 'small'],
    [7, 0, 'large'],
    [8, 1, 'large'],
  ]);
  expect(told.map(({ counts }) => counts.findIndex((count) => count > 0))).toEqual([2, 19, 0]);
  expect(told[0].counts[2]).toBe(2);
  expect(counter.take()).toEqual([]);
});

test('samples that did not follow the gear’s cascade are not counted', () => {
  const counter = new CertaintyCounter(models);
  counter.count(1, gears[1], 0, edges, undefined, 0.5); // small is not in this gear
  counter.count(1, gears[1], 1, edges, from(0.2), 0.5); // was sent on by another gear
  counter.count(1, gears[0], 1, edges, undefined, 0.5); // has not been through small
  counter.count(1, gears[0], 1, edges, from(0.7), 0.5); // would have ended there
  expect(counter.take()).toEqual([]);
});
