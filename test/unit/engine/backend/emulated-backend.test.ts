import { describe, expect, test } from 'vitest';
import type { BatchOutput } from '../../../../engine/backend/backend.ts';
import { createEmulatedBackend, type EmulatedModel } from '../../../../engine/backend/emulated-backend.ts';
import type { Clock } from '../../../../engine/clock.ts';
import type { Sample } from '../../../../engine/tensor/tensor.ts';
import { VirtualClock } from '../../../doubles/virtual-clock.ts';

const LABELS = [2, 0, 1];
const CERTAINTIES = [0.25, 0.5, 1];

const model: EmulatedModel = {
  name: 'm',
  runtimeMs: ({ length }) => 3 + 2 * length,
  labelOf: (record) => LABELS[record],
  auxiliaryOf: (record) => CERTAINTIES[record],
};

function sampleOf(record: number): Sample {
  return [{ data: Uint8Array.of(record), shape: [1] }];
}

function backendOn(clock: Clock) {
  const inputs = [{ name: 'sample', dtype: 'uint8', shape: [1], pad: 0 }] as const;
  const backend = createEmulatedBackend({ clock, models: [model], inputs, classes: 3, recordOf: ([{ data }]) => data[0] });
  backend.load({ name: 'm', file: '' }).subscribe();
  return backend;
}

describe('under a virtual clock', () => {
  test('a batch is answered at its exact time, with the recorded labels and certainties', () => {
    const clock = new VirtualClock(10);
    const answers: { at: number; output: BatchOutput }[] = [];
    backendOn(clock)
      .run('m', [0, 1, 2].map(sampleOf))
      .subscribe((output) => answers.push({ at: clock.now(), output }));
    clock.runUntil(18.999);
    expect(answers).toEqual([]);
    clock.runUntil(100);
    expect(answers).toHaveLength(1);
    const [{ at, output }] = answers;
    expect(at).toBe(19);
    expect(output).toMatchObject({ classes: 3, computeMs: 9 });
    expect([...output.scores]).toEqual([0, 0, 1, 1, 0, 0, 0, 1, 0]);
    expect([...(output.auxiliary ?? [])]).toEqual(CERTAINTIES);
  });

  test('consecutive batches take their own time, with or without a pause between them', () => {
    const clock = new VirtualClock();
    const backend = backendOn(clock);
    const ends: number[] = [];
    const next = (left: number): void => {
      backend.run('m', [sampleOf(0)]).subscribe(() => {
        ends.push(clock.now());
        if (left > 0) clock.after(left === 1 ? 1 : 0, () => next(left - 1));
      });
    };
    next(3);
    clock.runUntil(100);
    expect(ends).toEqual([5, 10, 15, 21]);
  });

  test('an unsubscribed batch is not answered', () => {
    const clock = new VirtualClock();
    let answered = 0;
    backendOn(clock)
      .run('m', [sampleOf(0)])
      .subscribe(() => answered++)
      .unsubscribe();
    clock.runUntil(100);
    expect(answered).toBe(0);
  });
});

test('the next batch makes up for late timers if it follows at once', () => {
  // Every timer fires 1 ms late, as in an operating system.
  const virtual = new VirtualClock();
  const late: Clock = {
    now: () => virtual.now(),
    after: (ms, fn) => virtual.after(ms + 1, fn),
    soon: (fn) => virtual.soon(fn),
  };
  const backend = backendOn(late);
  const ends: number[] = [];
  const next = (): void => {
    backend.run('m', [sampleOf(0)]).subscribe(() => {
      ends.push(virtual.now());
      if (ends.length < 4) next();
    });
  };
  next();
  virtual.runUntil(100);
  // Due at 5, 10, 15, 20.
  expect(ends).toEqual([6, 11, 16, 21]);
});

describe('errors', () => {
  test('a model without records is a configuration error', () => {
    let error: unknown;
    backendOn(new VirtualClock())
      .load({ name: 'other', file: '' })
      .subscribe({ error: (reason) => (error = reason) });
    expect(error).toMatchObject({ name: 'ConfigError', message: expect.stringContaining('other') });
  });

  test.each([
    ['a model that is not loaded', 'other', 'INTERNAL'],
    ['a closed backend', 'm', 'UNAVAILABLE'],
  ])('%s answers nothing', async (_, name, code) => {
    const backend = backendOn(new VirtualClock());
    if (code === 'UNAVAILABLE') await backend.close();
    let error: unknown;
    backend.run(name, [sampleOf(0)]).subscribe({ error: (reason) => (error = reason) });
    expect(error).toMatchObject({ code });
  });
});
