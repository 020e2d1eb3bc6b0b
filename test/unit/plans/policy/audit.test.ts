import { describe, expect, test } from 'vitest';
import { createRandom } from '../../../../engine/random.ts';
import { AuditSampler, auditorOf, mayAudit, RecentShare, referenceOf } from '../../../../plans/policy/audit.ts';
import { compilePlan } from '../../../../plans/policy/compiled-plan.ts';
import { planOf } from '../../../support/plans.ts';

const models = ['small', 'middle', 'large'];
const settings = { share: 0.1, utilisation: 0.7 };

describe('answers are drawn for audits', () => {
  test('at random, with the requested share, each equally likely', () => {
    const byPlace = [0, 0, 0, 0];
    for (let seed = 0; seed < 2_000; seed++) {
      const sampler = new AuditSampler(0.25, createRandom(seed));
      for (let i = 0; i < 40; i++) if (sampler.draws()) byPlace[i % 4]++;
    }
    // 5,000 expected in each, with a standard deviation of 61.
    for (const count of byPlace) expect(Math.abs(count - 5_000)).toBeLessThan(300);
  });

  test('more often the fewer there are besides those of the most accurate model', () => {
    const sampler = new AuditSampler(0.1, createRandom(1));
    let [drawn, others] = [0, 0];
    for (let i = 0; i < 40_000; i++) {
      if (i % 4 !== 0) {
        sampler.skips();
        continue;
      }
      others++;
      if (sampler.draws()) drawn++;
    }
    // A tenth of all answers, with a standard deviation of 49.
    expect(Math.abs(drawn - 4_000)).toBeLessThan(300);
    expect(others).toBe(10_000);
    for (let i = 0; i < 4_000; i++) sampler.skips();
    // Almost none are left, and each is drawn.
    expect(Array.from({ length: 10 }, () => sampler.draws()).slice(1)).not.toContain(false);
  });

  test('all of them if the share is 1, and the same ones for the same seed', () => {
    const all = new AuditSampler(1, createRandom(1));
    expect(Array.from({ length: 50 }, () => all.draws())).not.toContain(false);
    const [one, other] = [1, 1].map((seed) => new AuditSampler(0.3, createRandom(seed)));
    for (let i = 0; i < 200; i++) expect(one.draws()).toBe(other.draws());
  });
});

test('recent utilisation is the busy share of about the last second', () => {
  const recent = new RecentShare();
  expect(recent.at(5_000)).toBe(0);
  for (let at = 5_000; at < 15_000; at += 10) recent.add(at, at + 4);
  expect(recent.at(15_000)).toBeCloseTo(0.4, 2);
  for (let at = 15_000; at < 20_000; at += 10) recent.add(at, at + 10);
  expect(recent.at(20_000)).toBeGreaterThan(0.99);
  expect(recent.at(21_000)).toBeLessThan(0.4);
});

describe('an audit may run', () => {
  const { gears } = compilePlan(planOf({ models, cascades: [['small', 'middle']], minQueueLength: 4 }));
  const device = { number: 0, of: 1 };
  const times = (model: number, size: number) => (model + 1) * size;

  test('if the device was not busy', () => {
    expect(mayAudit(0.69, settings, 5, gears[0], device, times)).toBe(true);
    expect(mayAudit(0.7, settings, 5, gears[0], device, times)).toBe(false);
  });

  test('if it takes no longer than a batch of the gear at its minimum length', () => {
    expect(mayAudit(0, settings, 8, gears[0], device, times)).toBe(true);
    expect(mayAudit(0, settings, 8.1, gears[0], device, times)).toBe(false);
  });

  test('or no longer than a tenth of the p95 latency of the gear', () => {
    const patient = { ...gears[0], expectedMsP95: 200 };
    expect(mayAudit(0, settings, 20, patient, device, times)).toBe(true);
    expect(mayAudit(0, settings, 20.1, patient, device, times)).toBe(false);
  });

  test('but not if the model cannot run', () => {
    expect(mayAudit(0, settings, undefined, gears[0], device, times)).toBe(false);
  });
});

test('the reference is the most accurate placed model, the larger one of equals', () => {
  const plan = compilePlan(planOf({ models }));
  expect(referenceOf(plan, [0.9, 0.8, 0.7])).toBe(0);
  expect(referenceOf(plan, [0.8, 0.9, 0.9])).toBe(2);
  const { placement, ...rest } = planOf({ models });
  const without = compilePlan({ ...rest, placement: placement.filter(({ model }) => model !== 'large') });
  expect(referenceOf(without, [0.7, 0.8, 0.9])).toBe(1);
});

test('a device audits its own answers if it can; otherwise the next device that can does', () => {
  expect(auditorOf(1, 4, () => true)).toBe(1);
  expect(auditorOf(1, 4, (device) => device !== 1)).toBe(2);
  expect(auditorOf(3, 4, (device) => device === 1)).toBe(1);
  expect(auditorOf(3, 4, () => false)).toBe(-1);
});
