import { describe, expect, test } from 'vitest';
import { paceOf } from '../../../../actors/load/send-pace.ts';

/** Runs a sender whose sleeps end on time and whose timers fire 3 ms late. */
function sent(arrivalsMs: readonly number[]): { turns: number; lagMs: number[] } {
  const lagMs: number[] = [];
  let now = 0;
  let sentMs = Number.NEGATIVE_INFINITY;
  let turns = 0;
  for (let next = 0; next < arrivalsMs.length; ) {
    const pace = paceOf(arrivalsMs[next], sentMs, now);
    if (pace.type === 'sleep') now += pace.ms;
    else if (pace.type === 'timer') now += pace.ms + 3;
    else {
      sentMs = now;
      turns++;
      for (; next < arrivalsMs.length && arrivalsMs[next] <= now; next++) lagMs.push(now - arrivalsMs[next]);
    }
  }
  return { turns, lagMs };
}

describe('paceOf', () => {
  test('due requests are sent', () => {
    expect(paceOf(5, Number.NEGATIVE_INFINITY, 5)).toEqual({ type: 'send' });
    expect(paceOf(5, Number.NEGATIVE_INFINITY, 900)).toEqual({ type: 'send' });
  });

  test('the thread is never blocked for more than a few milliseconds', () => {
    for (let waitMs = 0.01; waitMs < 2_000; waitMs *= 1.3) {
      const pace = paceOf(waitMs, Number.NEGATIVE_INFINITY, 0);
      if (pace.type === 'sleep') expect(pace.ms).toBeLessThanOrEqual(3);
      else expect(pace.type).toBe('timer');
    }
  });

  test('at a low rate each request goes out on time, although timers are late', () => {
    const { turns, lagMs } = sent(Array.from({ length: 100 }, (_, i) => 3 + 40 * i));
    expect(turns).toBe(100);
    expect(Math.max(...lagMs)).toBeLessThan(1e-9);
  });

  test('at a high rate requests due within a quarter of a millisecond go out together', () => {
    const { turns, lagMs } = sent(Array.from({ length: 20_000 }, (_, i) => i / 20));
    expect(turns).toBeLessThanOrEqual(4_001);
    expect(Math.max(...lagMs)).toBeLessThanOrEqual(0.25 + 1e-9);
  });
});
