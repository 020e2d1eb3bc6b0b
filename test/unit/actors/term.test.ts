import { expect, test } from 'vitest';
import { beginTerm } from '../../../actors/term.ts';
import type { Bus } from '../../../engine/bus/bus.ts';
import { createLocalBus } from '../../../engine/bus/local-bus.ts';
import { VirtualClock } from '../../../engine/virtual-clock.ts';

const BUCKET = 'plans';

test('each term has a number above those before, also when several controllers begin one at the same time', async () => {
  const bus = createLocalBus(new VirtualClock());
  expect(await beginTerm(bus, BUCKET)).toBe(1);
  const terms = await Promise.all([1, 2, 3].map(() => beginTerm(bus, BUCKET)));
  expect(terms.sort()).toEqual([2, 3, 4]);
  expect(await beginTerm(bus, BUCKET)).toBe(5);
});

test('without a store nobody counts terms', async () => {
  const bare: Bus = Object.create(createLocalBus(new VirtualClock()), { keyValue: { value: () => Promise.resolve(undefined) } });
  expect(await beginTerm(bare, BUCKET)).toBeUndefined();
});
