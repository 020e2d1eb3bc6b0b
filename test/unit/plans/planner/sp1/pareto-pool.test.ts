import { describe, expect, test } from 'vitest';
import { createRandom } from '../../../../../engine/random.ts';
import type { FrontierCascade } from '../../../../../plans/planner/cycle/draft-plan.ts';
import { paretoFrontier, undominated } from '../../../../../plans/planner/sp1/pareto-pool.ts';

/** Few distinct values, so ties are common. */
function randomCascades(seed: string): { cascades: FrontierCascade[]; pathMs: (cascade: FrontierCascade) => number } {
  const random = createRandom(seed);
  const paths = new Map<string, number>();
  const cascades = Array.from({ length: 40 }, (_, i): FrontierCascade => {
    paths.set(`${i}`, random.below(6));
    return { key: `${i}`, models: [0], thresholds: [], reach: [1], accuracy: random.below(8) / 8, workMs: 1 + random.below(8) };
  });
  return { cascades, pathMs: ({ key }) => paths.get(key) ?? Number.NaN };
}

type Figures = readonly [accuracy: number, workMs: number, pathMs: number];

describe('undominated', () => {
  test.each(Array.from({ length: 50 }, (_, i) => `cascades ${i}`))(
    'keeps what no other beats in accuracy, work and path at once, and one of equals: %s',
    (seed) => {
      const { cascades, pathMs } = randomCascades(seed);
      const figures = (cascade: FrontierCascade): Figures => [cascade.accuracy, cascade.workMs, pathMs(cascade)];
      const isBeaten = ([accuracy, workMs, ms]: Figures): boolean =>
        cascades
          .map(figures)
          .some((b) => b[0] >= accuracy && b[1] <= workMs && b[2] <= ms && `${b}` !== `${[accuracy, workMs, ms]}`);
      const expected = new Set(cascades.map(figures).flatMap((own) => (isBeaten(own) ? [] : [`${own}`])));
      const found = undominated(cascades, pathMs).map((cascade) => `${figures(cascade)}`);
      expect(found.toSorted()).toEqual([...expected].toSorted());
    },
  );

  test('holds the frontier of accuracy and work', () => {
    const { cascades, pathMs } = randomCascades('frontier');
    const found = undominated(cascades, pathMs).map(({ accuracy, workMs }) => `${accuracy} ${workMs}`);
    for (const { accuracy, workMs } of paretoFrontier(cascades)) expect(found).toContain(`${accuracy} ${workMs}`);
  });
});
