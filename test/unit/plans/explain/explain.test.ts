import { describe, expect, test } from 'vitest';
import type { GearPlan } from '../../../../plans/domain/gear-plan/gear-plan.ts';
import { explainPlan } from '../../../../plans/explain/explanation.ts';
import { interval, percent } from '../../../../plans/explain/format.ts';
import { gearReason } from '../../../../plans/explain/gear-reason.ts';
import { explanationPage } from '../../../../plans/explain/page.ts';
import { explanationTables } from '../../../../plans/explain/tables.ts';
import { planOf } from '../../../support/plans.ts';
import { explainedPlan, profile } from './explained-plan.ts';

describe('why a gear is not better', () => {
  test('nothing limits the most accurate cascade', () => {
    expect(gearReason(explainedPlan(), 0).binds).toBe('nothing');
  });

  test('a more expensive one that needs more than the device time is ruled out by utilisation', () => {
    // 1 ms per request at 3,000 requests/s on two devices: 150 %.
    expect(gearReason(explainedPlan(), 2)).toMatchObject({ binds: 'utilisation', text: expect.stringContaining('150 %') });
  });

  test('a more expensive one within the device time is ruled out by latency', () => {
    const plan = explainedPlan();
    const cheap = { ...plan, frontier: plan.frontier.map((point) => ({ ...point, computeMs: point.computeMs / 10 })) };
    expect(gearReason(cheap, 2)).toMatchObject({ binds: 'latency', text: expect.stringContaining('p95 of 100 ms') });
  });

  test('one whose model does not fit is ruled out by memory; one whose model is merely placed nowhere is not', () => {
    const plan = explainedPlan({ placement: [{ model: 'small', device: 'd0' }] });
    const full = { ...plan, search: { ...plan.search, noMemoryFor: 'other, large' } };
    expect(gearReason(full, 2)).toMatchObject({ binds: 'memory', text: expect.stringContaining('large') });
    expect(gearReason(plan, 2)).toMatchObject({ binds: 'utilisation' });
  });

  test('under an accuracy SLO, a cheaper one that would break it is ruled out by accuracy', () => {
    const plan = explainedPlan({
      slo: { accuracy: 0.87 },
      expected: { accuracy: 0.8701, accuracyInterval: [0.8701, 0.8701], latencyMsP95: 2 },
    });
    expect(gearReason(plan, 1)).toMatchObject({ binds: 'accuracy', text: expect.stringContaining('87.00 %') });
    expect(gearReason(plan, 2).binds).toBe('nothing');
    expect(gearReason({ ...plan, slo: { accuracy: 0.5 } }, 1).binds).toBe('latency');
  });

  test('nothing rules out one that serves a higher load', () => {
    const plan = explainedPlan();
    const turned = {
      ...plan,
      gears: plan.gears.map((gear, g) => ({ ...gear, ...([plan.gears[1], plan.gears[0]][g] ?? {}), qps: gear.qps })),
    };
    expect(gearReason(turned, 0)).toMatchObject({
      binds: 'nothing',
      text: expect.stringContaining('gear 1 serves more load with large'),
    });
  });

  test('what the planner wrote takes precedence over what is derived', () => {
    const plan = explainedPlan();
    const why = { binds: 'memory', text: 'the planner knows' } as const;
    expect(gearReason({ ...plan, gears: plan.gears.map((gear) => ({ ...gear, why })) }, 0)).toEqual(why);
  });
});

describe('who answers', () => {
  test('comes from the profile that the plan was made from', () => {
    const [large, both] = explainPlan(explainedPlan(), profile).gears.map(({ stages }) =>
      stages.map(({ answers }) => answers ?? -1),
    );
    expect(large).toEqual([1]);
    expect(both[0]).toBeGreaterThan(0);
    expect(both[0] + both[1]).toBeCloseTo(1);
  });

  test('does not depend on the order in which the profile lists the models', () => {
    const turned = { ...profile, models: profile.models.toReversed() };
    expect(explainPlan(explainedPlan(), turned)).toEqual(explainPlan(explainedPlan(), profile));
  });

  test('comes from the plan where it says so', () => {
    const plan = explainedPlan();
    const told = {
      ...plan,
      gears: plan.gears.map((gear) => ({ ...gear, reach: gear.cascade.map((_, s) => (s === 0 ? 1 : 0.25)) })),
    };
    expect(explainPlan(told).gears[1].stages.map(({ reach, answers }) => [reach, answers])).toEqual([
      [1, 0.75],
      [0.25, 0.25],
    ]);
  });

  test('is unknown without either, or with a profile of other weights', () => {
    const other = { ...profile, models: profile.models.map((model) => ({ ...model, digest: 'other' })) };
    for (const given of [undefined, other]) {
      for (const { stages } of explainPlan(explainedPlan(), given).gears) expect(stages[0].answers).toBeNull();
    }
  });
});

test('the accuracy left without a device is a number, even if the planned loads are all above what the others carry', () => {
  const plan = explainedPlan({ qpsWeights: [0, 0, 1] });
  const contingencies = [{ lost: 'd0', alike: ['d1'], gears: [plan.gears[0]] }];
  const { losses } = explainPlan({ ...plan, contingencies });
  const { accuracy } = plan.gears[0].expected;
  expect(losses[0].accuracy).toEqual([accuracy, accuracy]);
});

test('the capacity left without a device is shown next to the full capacity', () => {
  const plan = explainedPlan();
  const [, both, small] = plan.gears;
  const gears: GearPlan['gears'] = [
    { ...both, qps: [0, 1_000] },
    { ...small, qps: [1_000, 2_000] },
  ];
  const contingencies = [{ lost: 'd0', alike: ['d1'], gears, beyond: [{ ...small, qps: [2_000, 2_500] as [number, number] }] }];
  const explanation = explainPlan({ ...plan, contingencies });
  const mean = (...indices: readonly number[]): number =>
    (plan.gears[indices[0]].expected.accuracy + plan.gears[indices[1]].expected.accuracy) / 2;
  expect(explanation.losses).toMatchObject([{ devices: ['d0', 'd1'], qpsMax: 2_000, carriedQps: 2_500, latencyMsP95: [2, 2] }]);
  expect(explanation.losses[0].accuracy[0]).toBeCloseTo(mean(0, 1));
  expect(explanation.losses[0].accuracy[1]).toBeCloseTo(mean(1, 2));
  const [[low, high]] = explanation.losses[0].accuracyInterval;
  expect([low, high]).toEqual([mean(0, 1) - 0.02, mean(0, 1) + 0.02].map((value) => expect.closeTo(value, 9)));
  const both95 = explanation.losses[0].accuracy.map(
    (accuracy) => `${percent(accuracy)} (${interval([accuracy - 0.02, accuracy + 0.02])})`,
  );
  expect(explanationTables(explanation)).toContain(`${both95[1]} instead of ${both95[0]}`);
  expect(explanationTables(explanation)).toContain('any of d0, d1');
  expect(explanationTables(explanation)).toContain('2500');
  expect(explanationPage(explanation)).toContain('any of d0, d1');
  expect(explanationTables(explainPlan(plan))).not.toContain('lost');
});

describe('gears beyond the promise', () => {
  const { gears, ...rest } = explainedPlan();
  const explanation = explainPlan({ ...rest, gears: gears.slice(0, 2), qpsWeights: [0.6, 0.4], beyond: gears.slice(2) }, profile);
  const [beyond] = explanation.beyond;

  test('are listed apart from the promised ones, continue their numbers, and say what they are for', () => {
    expect(explanation.gears.map(({ index, bestEffort }) => [index, bestEffort])).toEqual([
      [0, false],
      [1, false],
    ]);
    expect(beyond).toMatchObject({ index: 2, bestEffort: true, qps: [2_000, 3_000], weight: 0 });
    expect(beyond.why).toMatchObject({ binds: 'utilisation', text: expect.stringContaining('no SLO promised') });
    expect(beyond.stages[0].answers).toBe(1);
    expect(explanation.frontier.find(({ alone }) => alone === 'small')?.gears).toEqual([2]);
  });

  test('are marked in the tables and on the page; the promise ends at its own end', () => {
    const tables = explanationTables(explanation);
    expect(tables).toContain('up to 2000 requests/s\nabove that, best effort (no SLO promised)');
    expect(tables).toMatch(/│ +2 \* │ +2000 - 3000 /);
    const page = explanationPage(explanation);
    expect(page).toContain('at every load up to 2000 requests/s');
    expect(page).toContain('<tr class="beyond">');
    for (const label of ['Expected accuracy over the load', 'Expected latency over the load']) {
      const [svg] = page.slice(page.indexOf(`aria-label="${label}"`)).split('</svg>');
      expect(svg).toContain('no SLO promised');
      expect(svg).toMatch(/<polyline [^>]*stroke-dasharray/);
      expect(svg).toContain('gear 2 (best effort), 2000-3000 requests/s');
    }
  });

  test('have their own replicas, marked as such', () => {
    const [first, ...others] = gears.map((gear) => ({
      ...gear,
      cascade: [{ model: 'large' }],
      shares: { large: { d0: 0.5, d1: 0.5 } },
    }));
    const small = { ...gears[2], shares: { small: { d0: 0, d1: 1 } } };
    const plan = { ...rest, gears: [first, ...others], beyond: [small] };
    const crowd = explainPlan(plan, profile);
    expect(crowd.devices.map(({ device, models, beyondOnly }) => [device, models, beyondOnly])).toEqual([
      ['d0', ['small', 'large'], []],
      ['d1', ['small', 'large'], ['small']],
    ]);
    expect(explanationTables(crowd)).toMatch(/d1 +│ +\* +│ +x /);
    for (const text of [explanationTables(crowd), explanationPage(crowd)]) expect(text).toContain('crowds beyond the plan');
    expect(explanationPage(crowd)).toContain('d1 holds small, for crowds beyond the plan alone');
    for (const text of [explanationTables(explanation), explanationPage(explanation)])
      expect(text).not.toContain('crowds beyond the plan');
    // A replica that a promised gear needs when a device is lost is not only for crowds.
    const contingencies = [{ lost: 'd0', alike: [], gears: [small] }];
    expect(explainPlan({ ...plan, contingencies }).devices[1].beyondOnly).toEqual([]);
  });

  test('are not mentioned if there are none', () => {
    const plain = explainPlan(explainedPlan(), profile);
    expect(plain.beyond).toEqual([]);
    for (const text of [explanationTables(plain), explanationPage(plain).replace(/<style>.*?<\/style>/s, '')])
      expect(text).not.toMatch(/best effort,|best effort \(|class="beyond"/);
  });
});

test('the tables show every gear, device and reason', () => {
  const explanation = explainPlan(explainedPlan(), profile);
  const tables = explanationTables(explanation);
  for (const gear of explanation.gears) {
    expect(tables).toContain(`${gear.qps[0]} - ${gear.qps[1]}`);
    expect(tables).toContain(gear.why.text);
  }
  for (const { device } of explanation.devices) expect(tables).toContain(device);
  expect(tables).toContain('synthetic');
});

describe('the page', () => {
  const cases = [
    ['a plan with all there is to know', explainPlan(explainedPlan(), profile)],
    ['a plan without who answers', explainPlan(explainedPlan())],
    [
      'a plan with gears beyond it',
      explainPlan(explainedPlan({ beyond: [{ ...explainedPlan().gears[2], qps: [3_000, 90_000] }] }), profile),
    ],
    ['a plan of one gear, one model, and no frontier', explainPlan(planOf({ models: ['<only>'], cascades: [['<only>']] }))],
  ] as const;

  test.each(cases)('of %s is well-formed and loads nothing from elsewhere', (_, explanation) => {
    const page = explanationPage(explanation);
    expect(unbalanced(page)).toEqual([]);
    expect(page).not.toMatch(/https?:|<script|<link|@import|url\(/);
    expect(page).not.toMatch(/NaN|Infinity|undefined/);
    expect(page).not.toContain('<only>');
  });

  test('shows every gear, and calls a plan synthetic only if it is', () => {
    const explanation = explainPlan(explainedPlan(), profile);
    const page = explanationPage(explanation);
    for (const { qps } of explanation.gears) expect(page).toContain(`<td class="n">${qps[0]} - ${qps[1]}</td>`);
    expect(page).toContain('made up, not measured');
    expect(explanationPage({ ...explanation, synthetic: false })).not.toContain('made up, not measured');
  });

  test('has a plot for frontier, gears, latency, accuracy, placement and distribution, within 1,100 pixels', () => {
    const page = explanationPage(explainPlan(explainedPlan(), profile));
    const plots = [...page.matchAll(/<svg [^>]*width="(\d+)"[^>]*aria-label="([^"]*)"/g)];
    expect(plots).toHaveLength(6);
    for (const [, width] of plots) expect(Number(width)).toBeLessThanOrEqual(1_100);
  });
});

const VOID = ['meta'];

/** Tags that are not closed, or closed without being open. */
function unbalanced(markup: string): string[] {
  const open: string[] = [];
  const wrong: string[] = [];
  for (const [, closing, name, self] of markup
    .replace(/<style>.*?<\/style>/s, '')
    .matchAll(/<(\/?)([a-z][a-z0-9]*)(?:\s+[\w-]+="[^"<]*")*\s*(\/?)>/g)) {
    if (closing === '/') {
      if (open.pop() !== name) wrong.push(`</${name}>`);
    } else if (self !== '/' && !VOID.includes(name)) open.push(name);
  }
  const stray = markup
    .replace(/<style>.*?<\/style>/s, '')
    .replace(/<(\/?)([a-z][a-z0-9]*)(?:\s+[\w-]+="[^"<]*")*\s*(\/?)>|<!doctype html>/g, '');
  return [...wrong, ...open, ...(/[<>]/.test(stray) ? ['a stray < or >'] : [])];
}
