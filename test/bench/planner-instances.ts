/**
 * Plans a thousand random instances: each must end in a plan that the independent verifier accepts, or in an infeasibility for which a
 * search over simple plans finds no counterexample. The unit tests do a hundred of them.
 *
 * Usage: npm run bench:planner-instances [-- from to]
 */
import { checkInstance } from '../unit/plans/planner/check-instance.ts';
import { randomRequest } from '../unit/plans/planner/random-requests.ts';
import { median, writeResult } from './machine.ts';

const [from = 0, to = 1000] = process.argv.slice(2).map(Number);

const counts = { plan: 0, infeasible: 0 };
const failures: { instance: number; problems: readonly string[] }[] = [];
const seconds: number[] = [];
for (let instance = from; instance < to; instance++) {
  const request = randomRequest(`instance ${instance}`, { models: 2 + (instance % 3), devices: 1 + (instance % 4) });
  const started = performance.now();
  const { type, problems } = await checkInstance(request);
  seconds.push((performance.now() - started) / 1000);
  counts[type]++;
  if (problems.length > 0) failures.push({ instance, problems });
}
console.log({ ...counts, failures });
const times = { median: median(seconds), worst: Math.max(...seconds) };
console.log(`written to ${writeResult('planner-instances', { synthetic: true, from, to, ...counts, failures, seconds: times })}`);
