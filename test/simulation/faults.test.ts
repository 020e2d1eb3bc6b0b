import { describe, expect, test } from 'vitest';
import { runSeed } from './support/fault-world.ts';

/**
 * The whole serving plane, real actors and the real client library, in virtual time, with faults that a seed decides: see
 * `Invariants` for what must hold in every run. Of a failing seed, the command below prints all that happened.
 */
const SEEDS = 1_000;
const SEEDS_A_TEST = 100;
/** Ten seconds of a quiet processor: only a defect waits for so long. */
const TIMEOUT_MS = 600_000;
const replay = (seed: number): string => `node --import tsx test/simulation/replay.ts ${seed}`;

describe('whatever fails', () => {
  for (let first = 0; first < SEEDS; first += SEEDS_A_TEST) {
    test(
      `each request ends once, in time and right: seeds ${first} to ${first + SEEDS_A_TEST - 1}`,
      async () => {
        const failures: string[] = [];
        for (let seed = first; seed < first + SEEDS_A_TEST; seed++) {
          const { violations } = await runSeed(seed);
          if (violations.length > 0) failures.push(`${replay(seed)}\n  ${violations[0]}`);
        }
        expect(failures.join('\n')).toBe('');
      },
      TIMEOUT_MS,
    );
  }
});

test('a seed takes the same course each time, whether or not anyone looks', async () => {
  const hashes: string[] = [];
  for (let seed = 0; seed < 10; seed++) {
    const { hash } = await runSeed(seed);
    let lines = 0;
    expect(await runSeed(seed)).toMatchObject({ hash });
    expect(await runSeed(seed, () => lines++)).toMatchObject({ hash });
    expect(lines).toBeGreaterThan(100);
    hashes.push(hash);
  }
  expect(new Set(hashes).size).toBe(hashes.length);
});
