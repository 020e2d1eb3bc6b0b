import { expect, test } from 'vitest';
import { Statistics } from '../../../../actors/gateway/statistics.ts';
import type { Result } from '../../../../plans/protocol/messages.ts';

function answered(queueMs: number, computeMs: number): Result {
  return { timing: { queueMs, computeMs, totalMs: queueMs + computeMs } } as Result;
}

test('times are those of the slowest sample of each request, in nanoseconds', () => {
  const statistics = new Statistics();
  statistics.onSuccess([answered(1, 2), answered(4, 2), answered(2, 3)], 7, 1_000.9);
  statistics.onSuccess([answered(0.5, 1)], 2, 2_000.9);
  const { last_inference, inference_count, inference_stats } = statistics.of('family', '1');
  expect({ last_inference, inference_count }).toEqual({ last_inference: 2_000, inference_count: 4 });
  expect(inference_stats).toMatchObject({
    success: { count: 2, ns: 9e6 },
    queue: { count: 2, ns: 4.5e6 },
    compute_infer: { count: 2, ns: 3e6 },
  });
});

test('all durations of answered requests have one count, which perf_analyzer insists on', () => {
  const statistics = new Statistics();
  statistics.onSuccess([answered(1, 2), answered(1, 2)], 3, 1);
  statistics.onFailure(5);
  const { success, fail, queue, compute_input, compute_infer, compute_output } = statistics.of('family', '1').inference_stats;
  expect([success, queue, compute_input, compute_infer, compute_output].map(({ count }) => count)).toEqual([1, 1, 1, 1, 1]);
  expect(fail).toEqual({ count: 1, ns: 5e6 });
});
