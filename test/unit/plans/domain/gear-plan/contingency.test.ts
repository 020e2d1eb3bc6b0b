import { describe, expect, test } from 'vitest';
import { gearsWithout } from '../../../../../plans/domain/gear-plan/contingency.ts';
import { allGears } from '../../../../../plans/domain/gear-plan/gear-plan.ts';
import { planGears } from '../../../../../plans/planner/planner.ts';
import { gpus } from '../../planner/requests.ts';
import { verifyPlan } from '../../planner/verify-plan.ts';

const request = gpus({ qpsMax: 20, weights: [0.5, 0.3, 0.2], contingencies: true });
const result = await planGears(request);
if (result.type === 'infeasible') throw new Error(result.reason);
const { plan } = result;

describe('gears for the loss of a device', () => {
  test('exist for every device, and pass the verifier', () => {
    for (const device of plan.devices) expect(gearsWithout(plan, device), device).toBeDefined();
    expect(verifyPlan(request, plan)).toEqual([]);
  });

  test('keep the placement: no model needs loading', () => {
    const placed = new Set(plan.placement.map(({ model, device }) => `${model} on ${device}`));
    for (const lost of plan.devices) {
      const table = gearsWithout(plan, lost);
      if (table === undefined) throw new Error(`no gears without ${lost}`);
      for (const gear of allGears(table)) {
        for (const [model, shares] of Object.entries(gear.shares))
          for (const device of Object.keys(shares)) expect(placed).toContain(`${model} on ${device}`);
      }
    }
  });

  test('identical devices share theirs, with the names exchanged', () => {
    const shared = plan.contingencies?.find(({ alike }) => alike.length > 0);
    if (shared === undefined) throw new Error('no two devices are alike');
    const { lost, alike } = shared;
    expect(shared.beyond).toBeDefined();
    for (const field of ['gears', 'beyond'] as const) {
      const [own] = gearsWithout(plan, lost)?.[field] ?? [];
      const [other] = gearsWithout(plan, alike[0])?.[field] ?? [];
      const model = own.cascade[0].model;
      expect(other.shares[model][lost]).toBe(own.shares[model][alike[0]]);
      expect(other.shares[model][alike[0]]).toBeUndefined();
    }
  });

  test('a plan without them has none', () => {
    expect(gearsWithout({ contingencies: undefined }, plan.devices[0])).toBeUndefined();
    expect(gearsWithout(plan, 'unknown')).toBeUndefined();
  });
});
