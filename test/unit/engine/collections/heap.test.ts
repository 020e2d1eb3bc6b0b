import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Heap } from '../../../../engine/collections/heap.ts';

it('pops in the order of a stable sort by key, however pushes and pops are mixed', () => {
  const operations = fc.array(fc.oneof(fc.nat(9), fc.constant('pop' as const)), { maxLength: 200 });
  fc.assert(
    fc.property(operations, (steps) => {
      const heap = new Heap<number>();
      const model: { key: number; value: number }[] = [];
      steps.forEach((step, value) => {
        if (step !== 'pop') {
          heap.push(step, value);
          model.push({ key: step, value });
          return;
        }
        model.sort((a, b) => a.key - b.key || a.value - b.value);
        expect(heap.peekKey()).toBe(model[0]?.key);
        expect(heap.pop()).toBe(model.shift()?.value);
      });
      expect(heap.size).toBe(model.length);
    }),
  );
});

it('is undefined when empty', () => {
  const heap = new Heap<string>();
  expect([heap.size, heap.peekKey(), heap.pop()]).toEqual([0, undefined, undefined]);
});
