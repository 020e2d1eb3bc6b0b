import { expect, test } from 'vitest';
import { LiveView } from '../../../../actors/demo/live-view.ts';
import type { LoadOutcome } from '../../../../actors/load/open-loop.ts';

function viewOf() {
  const lines: string[] = [];
  const view = new LiveView({ models: ['small'], peakQps: 10, sloMs: 100, write: (line) => lines.push(line) });
  const answered = (sentAtMs: number): void =>
    view.add({ sentAtMs, latencyMs: 5, result: { model: 'small', gear: 0 } } as LoadOutcome);
  return { view, answered, seconds: () => lines.map((line) => Number(line.trim().split(/\s+/)[0])) };
}

test('shows each second once, without those in which nothing was sent', () => {
  const { view, answered, seconds } = viewOf();
  for (const sentAtMs of [100, 900, 2_500]) answered(sentAtMs);
  view.showBefore(1);
  view.showBefore(3);
  expect(seconds()).toEqual([0, 2]);
});

test('a second whose answers are late on a slow machine is shown once they come', () => {
  const { view, answered, seconds } = viewOf();
  view.showBefore(2);
  expect(seconds()).toEqual([]);
  answered(400);
  view.showBefore(3);
  answered(500);
  answered(1_500);
  answered(3_500);
  view.showBefore(4);
  expect(seconds()).toEqual([0, 1, 3]);
});
