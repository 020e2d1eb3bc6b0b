import { afterAll, beforeAll, expect, test } from 'vitest';
import { askAll, FAULTS, type FaultWorld, nameOf, runFault, shortTimes, startFaultWorld } from '../support/fault-matrix.ts';

/**
 * The fault matrix: whatever dies or stops under load, every request ends exactly once at the client library, with an
 * answer to itself. How fast the load is carried again is measured by `npm run bench:fault-matrix`.
 */
let world: FaultWorld;
/** A machine that has other work too carries this beside it. */
const QPS = 400;

beforeAll(async () => {
  world = await startFaultWorld();
});

afterAll(() => world?.close(), 120_000);

test.each(FAULTS.map((fault) => [nameOf(fault), fault] as const))('%s: each request ends once', async (_, fault) => {
  const times = shortTimes(fault);
  const outcome = await runFault(world, fault, QPS, times);
  expect(outcome).toMatchObject({ notOnce: 0, wrong: 0 });
  expect(outcome.offered).toBeGreaterThan((0.9 * QPS * times.loadMs) / 1_000);
  expect(outcome.results + Object.values(outcome.errors).reduce((sum, count) => sum + count, 0)).toBe(outcome.offered);
  // Refused or lost is the exception: retries reach those that live.
  expect(outcome.results, JSON.stringify(outcome)).toBeGreaterThan(0.9 * outcome.offered);
  expect(await askAll(world), 'answers when all parts are there again').toBe(world.questions.length);
});
