import { expect, test } from 'vitest';
import { createRandom } from '../../../../engine/random.ts';
import { compilePlan } from '../../../../plans/policy/compiled-plan.ts';
import { DEFAULT_GEAR_RULE, type GearInputs, PAPER_GEAR_RULE } from '../../../../plans/policy/gear-choice.ts';
import { GearChooser } from '../../../../plans/policy/gear-chooser.ts';
import { estimateLoad, LoadHistory } from '../../../../plans/policy/load-history.ts';
import { planOf } from '../../../support/plans.ts';

const GEARS = 8;
const { gears } = compilePlan(
  planOf({ models: ['small', 'large'], cascades: new Array(GEARS).fill(['small', 'large']), stepQps: 100 }),
);
const RULE = { ...DEFAULT_GEAR_RULE, backlogDrainMs: 100 };

function inputs(qps: number, more: Partial<GearInputs> = {}): GearInputs {
  const load = { qps, lowQps: qps, highQps: qps };
  return { load, scale: 1, slowdown: Float64Array.of(1), firstQueue: 0, backlog: 0, waitMs: 0, ...more };
}

/** Decides every 100 ms; returns the gears. */
function decide(chooser: GearChooser, fromMs: number, forMs: number, given: (now: number) => GearInputs): number[] {
  const chosen: number[] = [];
  for (let now = fromMs; now < fromMs + forMs; now += 100) chosen.push(chooser.decide(given(now), now).gear);
  return chosen;
}

function changes(chosen: readonly number[]): number {
  return chosen.filter((gear, i) => i > 0 && gear !== chosen[i - 1]).length;
}

test('shifts up at once, and down when a lower gear has been enough for the settle time', () => {
  const chooser = new GearChooser(gears, RULE);
  expect(chooser.decide(inputs(350), 0).gear).toBe(3);
  const chosen = decide(chooser, 100, 3_000, () => inputs(50));
  expect(chosen.indexOf(0)).toBe(20);
  expect(chosen.slice(0, 20)).toEqual(new Array(20).fill(3));
});

test('shifts down to the highest gear that was needed meanwhile, and no further', () => {
  const chooser = new GearChooser(gears, RULE);
  chooser.decide(inputs(650), 0);
  const chosen = decide(chooser, 100, 2_100, (now) => inputs(now === 1_000 ? 250 : 50));
  expect(chosen.at(-1)).toBe(2);
});

test('the rule of the paper: shifts down at once, unless the first model has a queue', () => {
  const chooser = new GearChooser(gears, PAPER_GEAR_RULE);
  chooser.decide(inputs(350), 0);
  expect(chooser.decide(inputs(150, { firstQueue: 20 }), 100)).toMatchObject({ gear: 3, basis: { rule: 'held' } });
  expect(chooser.decide(inputs(150, { firstQueue: 18 }), 200)).toMatchObject({ gear: 1, basis: { rule: 'load' } });
});

test('a gear that does not keep its promise is tried less and less often at the same load', () => {
  const chooser = new GearChooser(gears, RULE);
  // By the table gear 1 is enough, but requests pile up in it.
  const chosen = decide(chooser, 0, 120_000, () =>
    inputs(150, chooser.gear < 3 ? { backlog: 60, waitMs: 100 } : { backlog: 1, waitMs: 5 }),
  );
  expect(changes(chosen.slice(0, 600))).toBeLessThan(14);
  expect(changes(chosen.slice(600))).toBeLessThanOrEqual(4);
});

test('what was learned at one load does not apply at a lower one', () => {
  const chooser = new GearChooser(gears, RULE);
  decide(chooser, 0, 60_000, () => inputs(150, chooser.gear < 3 ? { backlog: 60, waitMs: 100 } : {}));
  chooser.decide(inputs(550), 60_000);
  const chosen = decide(chooser, 60_100, 2_500, () => inputs(50));
  expect(chosen.at(-1)).toBe(0);
});

test('a new table starts without hysteresis', () => {
  const chooser = new GearChooser(gears, RULE);
  chooser.decide(inputs(650), 0);
  chooser.use(gears.slice(0, 3));
  expect(chooser.gear).toBe(2);
  expect(chooser.decide(inputs(50), 100).gear).toBe(0);
});

test('at any constant load, there is at most one change a minute after the first five seconds', () => {
  const random = createRandom(1);
  for (let qps = 60; qps < 780; qps += 20) {
    const chooser = new GearChooser(gears, RULE);
    const history = new LoadHistory();
    let next = random.exponential(1_000 / qps);
    const chosen = decide(chooser, 0, 125_000, (now) => {
      let arrivals = 0;
      for (; next < now + 100; next += random.exponential(1_000 / qps)) arrivals++;
      history.add(arrivals, 100);
      const load = estimateLoad((ms) => history.over(ms), RULE.windowMs, RULE.noiseBand);
      return { ...inputs(qps), load };
    });
    expect(changes(chosen.slice(50)), `${qps} requests/s`).toBeLessThanOrEqual(2);
  }
});
