import { describe, expect, test } from 'vitest';
import { runSeed } from './fault-world.ts';

const SEEDS_A_TEST = 50;
/** Five seconds of an idle processor: only a defect waits this long. */
const TIMEOUT_MS = 600_000;
const replay = (seed: number): string => `node --import tsx test/simulation/replay.ts ${seed}`;

/**
 * The whole serving plane, real actors and the real client library, in virtual time, with faults chosen by a seed: see
 * `Invariants` for what must hold in every run. For a failing seed, the command above prints everything. The thousand seeds
 * are in several files, because a file runs on one core.
 */
export function checkSeeds(from: number, to: number): void {
  describe('whatever fails', () => {
    for (let first = from; first < to; first += SEEDS_A_TEST) {
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
}
