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

test('gives back parts, and no more than was taken', async () => {
  const memory = new RequestMemory(10);
  const { take, giveBack } = memory.open();
  take(6);
  giveBack(2);
  await memory.with(async (takeMore) => {
    takeMore(6);
    expect(() => take(1)).toThrow('use all the memory');
  });
  giveBack();
  giveBack(6);
  expect(() => memory.open().take(11)).toThrow('use all the memory');
  memory.open().take(10);
});
