import { expect, test } from 'vitest';
import { TokenIndex } from '../../../../actors/frontend/token-index.ts';

interface Entry {
  readonly item: { readonly seq: number; readonly id: string };
  readonly token: string | undefined;
}

const entry = (seq: number, id: string, token: string | undefined): Entry => ({ item: { seq, id }, token });
const seqs = (entries: readonly Entry[]): number[] => entries.map(({ item }) => item.seq);

test('requests are found once, by token and id, and not after they have ended', () => {
  const index = new TokenIndex<Entry>();
  const [a, b, c] = [entry(1, 'a', 't'), entry(2, 'b', 't'), entry(3, 'c', 't')];
  for (const each of [a, b, c, entry(4, 'a', 'other'), entry(5, 'a', undefined)]) index.add(each);
  index.remove(c);
  expect(seqs(index.take({ token: 't', ids: ['a', 'c', 'a', 'x'] }))).toEqual([1]);
  expect(seqs(index.take({ token: 't', ids: null }))).toEqual([2]);
  expect(index.take({ token: 't', ids: null })).toEqual([]);
  expect(seqs(index.take({ token: 'other', ids: null }))).toEqual([4]);
});

test('of two with the same token and id, the later one is found; the end of the earlier one changes nothing', () => {
  const index = new TokenIndex<Entry>();
  const [first, second] = [entry(1, 'a', 't'), entry(2, 'a', 't')];
  index.add(first);
  index.add(second);
  index.remove(first);
  expect(seqs(index.take({ token: 't', ids: ['a'] }))).toEqual([2]);
});
