import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  BATCH_DONE,
  DONE_NOTE,
  EventQueue,
  FRAME_ARRIVES,
  GEAR_APPLIES,
  WAIT_OVER,
} from '../../../../plans/simulator/event-queue.ts';

test('events leave by time, then by kind except for the two kinds of timers, then in order of arrival', () => {
  const events = fc.array(
    fc.record({
      time: fc.integer({ min: 0, max: 5 }),
      kind: fc.constantFrom(WAIT_OVER, BATCH_DONE, GEAR_APPLIES, FRAME_ARRIVES, DONE_NOTE),
    }),
    {
      maxLength: 300,
    },
  );
  fc.assert(
    fc.property(events, fc.integer({ min: 0, max: 20 }), (given, popsBetween) => {
      const queue = new EventQueue();
      const pending: { time: number; kind: number; at: number }[] = [];
      const popAndCheck = (): void => {
        pending.sort((a, b) => a.time - b.time || (a.kind >> 1) - (b.kind >> 1) || a.at - b.at);
        const expected = pending.shift();
        expect(queue.nextMs).toBe(expected?.time);
        queue.pop();
        expect({ time: queue.timeMs, kind: queue.kind, at: queue.subject }).toEqual(expected);
        expect(queue.head).toBe(queue.subject + 1000);
      };
      given.forEach(({ time, kind }, at) => {
        queue.push(time, kind, at, at + 1000);
        pending.push({ time, kind, at });
        if (popsBetween > 0 && at % popsBetween === 0) popAndCheck();
      });
      while (pending.length > 0) popAndCheck();
      expect(queue.size).toBe(0);
      expect(queue.nextMs).toBe(Number.POSITIVE_INFINITY);
    }),
    { numRuns: 60 },
  );
});
