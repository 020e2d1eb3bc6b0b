import { expect, test } from 'vitest';
import { RequestMemory } from '../../../../actors/gateway/request-memory.ts';

test('refuses what does not fit next to the requests in progress, and gives back what they took', async () => {
  const memory = new RequestMemory(10);
  const needs = (...parts: number[]): Promise<void> =>
    memory.with(async (take) => {
      for (const bytes of parts) take(bytes);
    });
  const exhausted = { code: 'RESOURCE_EXHAUSTED', retryAfterMs: expect.any(Number) };
  await memory.with(async (take) => {
    take(6);
    await expect(needs(3, 2)).rejects.toMatchObject(exhausted);
    await needs(4);
    await needs(4);
  });
  await needs(10);
  await expect(needs(11)).rejects.toMatchObject(exhausted);
});
