import { expect, test } from 'vitest';
import { checkInstance } from './check-instance.ts';
import { randomRequest } from './random-requests.ts';

const INSTANCES = 100;

test(`of ${INSTANCES} random instances, each has a plan that the verifier accepts, or none that a simple search finds`, async () => {
  const counts = { plan: 0, infeasible: 0 };
  for (let i = 0; i < INSTANCES; i++) {
    const seed = `instance ${i}`;
    const { type, problems } = await checkInstance(randomRequest(seed, { models: 2 + (i % 2), devices: 1 + (i % 3) }));
    expect(problems, seed).toEqual([]);
    counts[type]++;
  }
  // Both must happen, or the test proves little.
  expect(counts.plan).toBeGreaterThan(INSTANCES / 4);
  expect(counts.infeasible).toBeGreaterThan(INSTANCES / 10);
});
