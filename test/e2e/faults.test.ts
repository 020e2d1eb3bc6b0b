import { afterAll, beforeAll, expect, test } from 'vitest';
import { askAll, FAULTS, type FaultWorld, nameOf, runFault, shortTimes, startFaultWorld } from '../support/fault-matrix.ts';

/**
 * The fault matrix: whatever dies or stops under load, every request ends exactly once at the client library, with its
 * own answer. `npm run bench:fault-matrix` measures how fast the load is carried again.
 */
let world: FaultWorld;
/** Low enough for a machine with other work. */
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
  // Refused or lost requests are the exception: retries reach live processes.
  expect(outcome.results, JSON.stringify(outcome)).toBeGreaterThan(0.9 * outcome.offered);
  expect(await askAll(world), 'answers when all parts are there again').toBe(world.questions.length);
});
