import { Subject } from 'rxjs';
import { expect, test } from 'vitest';
import { ArrivalCount, loadEstimatorActor } from '../../../../actors/frontend/load-estimator.ts';
import { startActor } from '../../../../engine/actor/actor.ts';
import type { Clock } from '../../../../engine/clock.ts';
import { silentLogger } from '../../../../engine/log.ts';
import { decode } from '../../../../plans/protocol/codec.ts';
import type { LoadReport } from '../../../../plans/protocol/control-messages.ts';
import { subjectsOf } from '../../../../plans/protocol/subjects.ts';
import { createLocalBus } from '../../../doubles/local-bus.ts';
import { VirtualClock } from '../../../doubles/virtual-clock.ts';

test('a steady load is reported as steady even if a busy event loop makes the ticks late', () => {
  const real = new VirtualClock();
  const bus = createLocalBus(real);
  const arrivals$ = new Subject<number>();
  const rates: number[] = [];
  bus.messages$('cascade.test.load.f').subscribe(({ data }) => {
    const { arrivals, intervalMs } = decode<LoadReport>(data);
    rates.push((1_000 * arrivals) / intervalMs);
  });
  // Everything due from 120 to 350 ms happens at 350 ms.
  const busy: Clock = {
    now: () => real.now(),
    after: (delayMs, fn) => {
      const due = real.now() + delayMs;
      return real.after(due > 120 && due < 350 ? 350 - real.now() : delayMs, fn);
    },
    soon: (fn) => real.soon(fn),
  };
  for (let at = 1; at <= 1_000; at++) real.after(at, () => arrivals$.next(1));
  startActor(loadEstimatorActor({ frontend: 'f', subjects: subjectsOf('test'), arrivals$ }), {
    bus,
    clock: busy,
    log: silentLogger,
  });
  real.runUntil(1_000);
  expect(rates.length).toBeGreaterThan(5);
  for (const rate of rates) expect(rate).toBeCloseTo(1_000, -1.3);
});

test('the core reports the count since the last report, and never twice within half an interval', () => {
  const count = new ArrivalCount({ frontend: 'f', pid: 7 }, 1_000);
  count.add(3);
  count.add(2);
  const [report] = count.report(1_100);
  expect(report).toMatchObject({
    type: 'send',
    pattern: 'load.<frontend>',
    params: { frontend: 'f' },
    message: { frontend: 'f', pid: 7, intervalMs: 100, arrivals: 5 },
  });
  count.add(1);
  expect(count.report(1_140)).toEqual([]);
  expect(count.report(1_210)).toMatchObject([{ message: { intervalMs: 110, arrivals: 1 } }]);
});
