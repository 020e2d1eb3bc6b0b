import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test, vi } from 'vitest';
import { runnableMs } from '../../../../engine/process/processor-time.ts';
import { ProgressWatch } from '../../../../engine/process/progress-watch.ts';

const watchFrom = (now: number): ProgressWatch => new ProgressWatch({ checkMs: 250, silentMs: 2_000, starvedMs: 10_000 }, now);
const asleep = (): undefined => undefined;

/** Checks four times a second, in silence; returns the time at which the other side counts as stuck. */
function stuckAt(
  watch: ProgressWatch,
  from: number,
  to: number,
  processorMs: (now: number) => number | undefined,
): number | undefined {
  for (let now = from + 250; now <= to; now += 250) if (watch.check(now, () => processorMs(now))) return now;
  return undefined;
}

test('a process that reports makes progress; one that is silent for two seconds does not', () => {
  const watch = watchFrom(0);
  for (let now = 250; now <= 10_000; now += 250) {
    expect(watch.check(now, asleep)).toBe(false);
    watch.heard();
  }
  expect(stuckAt(watch, 10_000, 20_000, asleep)).toBe(12_250);
});

test('a watcher that was paused itself concludes nothing, and gives the other side its full time again', () => {
  const watch = watchFrom(0);
  expect(stuckAt(watch, 0, 1_750, asleep)).toBeUndefined();
  expect(watch.check(60_000, asleep)).toBe(false);
  expect(stuckAt(watch, 60_000, 70_000, asleep)).toBe(62_250);
});

test('a process whose blocked event loop uses a processor is stuck', () => {
  expect(stuckAt(watchFrom(0), 0, 20_000, (now) => now)).toBe(2_250);
});

test('a process that gets no processor has five times as long', () => {
  expect(stuckAt(watchFrom(0), 0, 20_000, (now) => 0.1 * now)).toBe(10_250);
});

test.runIf(process.platform === 'linux')(
  'the processor time of a process grows while it runs, not while it is stopped',
  async () => {
    const child = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
    try {
      await vi.waitFor(() => expect(runnableMs(child.pid!)).toBeGreaterThan(50), { timeout: 120_000, interval: 10 });
      const first = runnableMs(child.pid!);
      await vi.waitFor(() => expect(runnableMs(child.pid!)).toBeGreaterThan(first ?? 0), { timeout: 120_000, interval: 10 });
      child.kill('SIGSTOP');
      await vi.waitFor(() => expect(runnableMs(child.pid!)).toBeUndefined(), { timeout: 120_000, interval: 10 });
    } finally {
      child.kill('SIGKILL');
    }
    await once(child, 'exit');
    expect(runnableMs(child.pid!)).toBeUndefined();
  },
);
