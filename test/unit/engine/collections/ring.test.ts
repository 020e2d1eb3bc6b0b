import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Ring } from '../../../../engine/collections/ring.ts';

it('is a queue, whatever its capacity and however it wraps around', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 9 }),
      fc.array(fc.constantFrom('push', 'unshift', 'shift'), { maxLength: 300 }),
      (capacity, steps) => {
        const ring = new Ring<number>(capacity);
        const model: number[] = [];
        steps.forEach((step, i) => {
          if (step !== 'shift') {
            ring[step](i);
            model[step](i);
          } else {
            expect(ring.peek()).toBe(model[0]);
            expect(ring.shift()).toBe(model.shift());
          }
          expect(ring.length).toBe(model.length);
        });
      },
    ),
  );
});

it('dropped items are gone, and the others keep their order', () => {
  const ring = new Ring<number>(4);
  for (const item of [9, 9, 9, 1, 2, 3, 4, 5]) ring.push(item);
  for (let i = 0; i < 3; i++) ring.shift();
  expect(ring.drop((item) => item % 2 === 0)).toEqual([2, 4]);
  ring.push(6);
  expect(Array.from({ length: 5 }, () => ring.shift())).toEqual([1, 3, 5, 6, undefined]);
});
