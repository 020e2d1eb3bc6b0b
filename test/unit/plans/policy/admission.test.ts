import { expect, test } from 'vitest';
import { Admission } from '../../../../plans/policy/admission.ts';

interface Taken {
  readonly at: number;
  readonly ticket: number;
}

const take = (admission: Admission, now: number): Taken => ({ at: now, ticket: admission.started(now) });

function end(admission: Admission, { at, ticket }: Taken, now: number, completed = true): void {
  admission.ended(ticket, now - at, completed, now);
}

/** A queue that completes one request every `everyMs`, in order, while `perEnd` new ones arrive. Returns the time. */
function run(admission: Admission, from: number, ends: number, everyMs: number, waiting: Taken[], perEnd: number): number {
  let now = from;
  for (let i = 0; i < ends; i++) {
    now += everyMs;
    for (let j = 0; j < perEnd; j++) waiting.push(take(admission, now));
    const first = waiting.shift();
    if (first !== undefined) end(admission, first, now);
  }
  return now;
}

/** One request at a time, each taking `tookMs`; the next one arrives `everyMs` later. Returns the time. */
function runLow(admission: Admission, from: number, untilMs: number, everyMs: number, tookMs: number): number {
  let now = from;
  for (; now < untilMs; now += everyMs) end(admission, take(admission, now), now + tookMs);
  return now;
}

test('nothing is refused without evidence', () => {
  const admission = new Admission(() => 0);
  for (let i = 0; i < 10_000; i++) admission.started(i);
  expect(admission.retryAfterMs(1)).toBeUndefined();
});

test('the expected wait is the requests in flight divided by the completion rate', () => {
  const admission = new Admission(() => 0);
  const waiting: Taken[] = [];
  // 100 are completed a second, and twice as many arrive.
  run(admission, 0, 200, 10, waiting, 2);
  expect(waiting).toHaveLength(200);
  expect(admission.expectedWaitMs()).toBeCloseTo(2_000, -2);
  expect(admission.retryAfterMs(4_000)).toBeUndefined();
  expect(admission.retryAfterMs(1_000)).toBeGreaterThan(1_500);
});

test.each([1.5, 2, 3, 5, 10])(
  'in an overload of %d times the capacity, after a light load, every accepted request is answered in time',
  (factor) => {
    // The number waiting, as reported every 100 ms.
    let toldMs = 0;
    const admission = new Admission(() => toldMs);
    const deadlineMs = 1_000;
    let now = runLow(admission, 0, 5_000, 100, 20);
    // One is completed every 2 ms, in order.
    const waiting: Taken[] = [];
    const tookMs: number[] = [];
    let refused = 0;
    for (let i = 0; i < 5_000; i++) {
      now += 2;
      if (i % 50 === 0) toldMs = 2 * waiting.length;
      for (let came = Math.floor(i * factor); came < Math.floor((i + 1) * factor); came++) {
        if (admission.retryAfterMs(deadlineMs) === undefined) waiting.push(take(admission, now));
        else refused++;
      }
      const first = waiting.shift();
      if (first === undefined) continue;
      end(admission, first, now);
      tookMs.push(now - first.at);
    }
    expect(Math.max(...tookMs)).toBeLessThanOrEqual(deadlineMs);
    // Nothing that fits is refused: the queue was never empty.
    expect(tookMs).toHaveLength(5_000);
    expect(refused).toBeGreaterThan(5_000 * (factor - 1) - 1_000);
  },
);

test('a hang under light load is forgotten a second after its end, and if nothing was in flight meanwhile', () => {
  const hang = (admission: Admission): number => {
    const hangsAt = runLow(admission, 0, 5_000, 100, 20);
    const waiting: Taken[] = [];
    for (let i = 0; i < 50; i++) waiting.push(take(admission, hangsAt + 100 * i));
    for (const each of waiting) end(admission, each, hangsAt + 5_000);
    return hangsAt + 5_000;
  };
  const burst = (admission: Admission, now: number): number | undefined => {
    for (let i = 0; i < 400; i++) admission.started(now);
    return admission.retryAfterMs(1_000);
  };
  const atOnce = new Admission(() => 0);
  expect(burst(atOnce, hang(atOnce))).toBeDefined();
  const later = new Admission(() => 0);
  const endedAt = hang(later);
  expect(burst(later, runLow(later, endedAt, endedAt + 1_000, 100, 20))).toBeUndefined();
  const idle = new Admission(() => 0);
  expect(burst(idle, hang(idle) + 300)).toBeUndefined();
});

test('in a hang under load, no more is accepted than fitted before', () => {
  const admission = new Admission(() => 0);
  const waiting: Taken[] = [];
  let now = run(admission, 0, 500, 2, waiting, 1);
  for (let i = 0; i < 300; i++) waiting.push(take(admission, now));
  now = run(admission, now, 500, 2, waiting, 1);
  const before = waiting.length;
  // Nothing completes any more.
  for (let i = 0; i < 5_000; i++) if (admission.retryAfterMs(1_000) === undefined) waiting.push(take(admission, now + i));
  expect(before).toBe(300);
  expect(waiting.length).toBeGreaterThan(before);
  expect(2 * waiting.length).toBeLessThanOrEqual(1_000);
});

test('time in which nothing is in flight says nothing about the speed', () => {
  const admission = new Admission(() => 0);
  const waiting: Taken[] = [];
  let now = run(admission, 0, 200, 10, waiting, 1);
  expect(waiting).toHaveLength(0);
  now += 200;
  for (let i = 0; i < 3; i++) waiting.push(take(admission, now));
  now = run(admission, now, 3, 10, waiting, 0);
  for (let i = 0; i < 3; i++) admission.started(now);
  // A completion takes 10 ms; none of the time between counts.
  expect(admission.expectedWaitMs()).toBeGreaterThan(0);
  expect(admission.expectedWaitMs()).toBeLessThan(100);
});

test('requests given up without an inference are no evidence of speed, only of long waits', () => {
  const admission = new Admission(() => 0);
  const taken = Array.from({ length: 100 }, () => take(admission, 0));
  for (const each of taken.slice(0, 50)) end(admission, each, 1_000, false);
  expect(admission.retryAfterMs(1_000)).toBeGreaterThan(0);
  for (const each of taken.slice(50)) end(admission, each, 1_000, false);
  // With nothing in flight, the next one is always accepted.
  expect(admission.retryAfterMs(1_000)).toBeUndefined();
});

test('a long wait is believed only as far as recent request times or the queues that devices report make it likely', () => {
  let backlogMs = 0;
  const admission = new Admission(() => backlogMs);
  runLow(admission, 0, 5_000, 100, 20);
  for (let i = 0; i < 1_000; i++) admission.started(5_000);
  expect(admission.expectedWaitMs()).toBe(4 * 20);
  backlogMs = 500;
  expect(admission.expectedWaitMs()).toBe(4 * 500);
  // That many, at 20 ms each.
  backlogMs = 60_000;
  expect(admission.expectedWaitMs()).toBe(20_000);
});

test('a hint lies between 10 ms and 5 s', () => {
  const admission = new Admission(() => 0);
  const taken = Array.from({ length: 100 }, () => take(admission, 0));
  end(admission, taken[0], 60_000);
  expect(admission.retryAfterMs(1_000)).toBe(5_000);
  expect(new Admission(() => 0).roomAfterMs()).toBe(10);
});
