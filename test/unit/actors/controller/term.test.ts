import { expect, test } from 'vitest';
import { beginTerm } from '../../../../actors/controller/term.ts';
import type { Bus } from '../../../../engine/bus/bus.ts';
import { createLocalBus } from '../../../doubles/local-bus.ts';
import { VirtualClock } from '../../../doubles/virtual-clock.ts';

const BUCKET = 'plans';

test('each term has a higher number than those before, even if several controllers start one at the same time', async () => {
  const bus = createLocalBus(new VirtualClock());
  expect(await beginTerm(bus, BUCKET)).toBe(1);
  const terms = await Promise.all([1, 2, 3].map(() => beginTerm(bus, BUCKET)));
  expect(terms.sort()).toEqual([2, 3, 4]);
  expect(await beginTerm(bus, BUCKET)).toBe(5);
});

test('without a store, terms are not counted', async () => {
  const bare: Bus = Object.create(createLocalBus(new VirtualClock()), { keyValue: { value: () => Promise.resolve(undefined) } });
  expect(await beginTerm(bare, BUCKET)).toBeUndefined();
});

test('a damaged counter continues from the number of writes to its store', async () => {
  const bus = createLocalBus(new VirtualClock());
  for (let term = 1; term <= 3; term++) expect(await beginTerm(bus, BUCKET)).toBe(term);
  const store = (await bus.keyValue(BUCKET))!;
  for (const damage of ['{"stream":"D","seq":7}', '', 'NaN', '-1', '1e300']) {
    const revision = await store.put('term', Buffer.from(damage));
    expect(await beginTerm(bus, BUCKET)).toBe(revision + 1);
  }
});
