import { expect, test } from 'vitest';
import { spikeCharts } from '../../../../plans/evaluation/page/spike-chart.ts';

test('the charts of a long load have all its seconds', () => {
  const seconds = Array.from({ length: 200_000 }, (_, second) => ({
    second,
    offered: second === 150_000 ? 900 : 1,
    completed: 1,
    p95Ms: 10,
    accuracy: 0.9,
    metSlo: true,
  }));
  const [load] = spikeCharts({ spike: [{ strategy: 'cascade', seconds }], seconds: seconds.length, sloMs: 100 }, 600);
  expect(load).toContain('>800<');
});
