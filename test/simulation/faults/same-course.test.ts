import { expect, test } from 'vitest';
import { runSeed } from '../support/fault-world.ts';

test('a seed takes the same course every time, whether or not it is observed', async () => {
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
