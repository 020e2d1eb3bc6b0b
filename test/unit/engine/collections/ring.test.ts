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
