import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findMaxLoad, type MaxSearch, type SearchPhase, type Verdict } from '../../../../actors/load/max-search.ts';

const search: MaxSearch = { fromQps: 100, precision: 0.05, confirmations: 3, mostQps: 1e6 };

/** A deployment that meets its goal up to a load. */
function upTo(capacity: number) {
  const runs: [qps: number, phase: SearchPhase][] = [];
  const run = async (qps: number, phase: SearchPhase): Promise<Verdict> => {
    runs.push([qps, phase]);
    return qps <= capacity ? 'met' : 'missed';
  };
  return { runs, run };
}

describe('the search for the highest load', () => {
  test('doubles, bisects by ratio, and confirms', async () => {
    const { runs, run } = upTo(300);
    const found = await findMaxLoad({ ...search, precision: 0.2 }, run);
    expect(found).toEqual({ maxQps: 283, tooHighQps: 336, limitedBy: 'slo' });
    expect(runs).toEqual([
      [100, 'bracket'],
      [200, 'bracket'],
      [400, 'bracket'],
      [400, 'bracket'],
      [283, 'bisect'],
      [336, 'bisect'],
      [336, 'bisect'],
      [283, 'confirm'],
      [283, 'confirm'],
    ]);
  });

  test('halves if it begins too high', async () => {
    const { runs, run } = upTo(30);
    const { maxQps, tooHighQps } = await findMaxLoad(search, run);
    expect(runs.slice(0, 6).map(([qps]) => qps)).toEqual([100, 100, 50, 50, 25, 35.4]);
    expect(maxQps).toBeLessThanOrEqual(30);
    expect(tooHighQps).toBeGreaterThan(30);
  });

  test('finds any capacity to within the precision', async () => {
    await fc.assert(
      fc.asyncProperty(fc.double({ min: 1, max: 9e5, noNaN: true }), async (capacity) => {
        const { maxQps, tooHighQps } = await findMaxLoad(search, upTo(capacity).run);
        expect(maxQps).toBeLessThanOrEqual(capacity);
        expect(tooHighQps).toBeGreaterThan(capacity);
        expect(tooHighQps! / maxQps!).toBeLessThan(1.06);
      }),
    );
  });

  test('a single miss by bad luck does not count, two in a row do', async () => {
    let unlucky = 1;
    const run = async (qps: number): Promise<Verdict> =>
      qps === 200 && unlucky-- > 0 ? 'missed' : qps <= 200 ? 'met' : 'missed';
    expect((await findMaxLoad(search, run)).maxQps).toBe(200);
  });

  test('after a load that fails its confirmation, a lower one is confirmed with as many runs', async () => {
    const runs: number[] = [];
    const run = async (qps: number, phase: SearchPhase): Promise<Verdict> => {
      if (phase === 'confirm') runs.push(qps);
      return qps > 200 || (phase === 'confirm' && qps > 185) ? 'missed' : 'met';
    };
    const found = await findMaxLoad(search, run);
    expect(found).toEqual({ maxQps: 172, tooHighQps: 190, limitedBy: 'slo' });
    expect(runs).toEqual([200, 190, 172, 172, 172]);
  });

  test('says that the generator was the limit, after three tries', async () => {
    let voids = 0;
    const run = async (qps: number): Promise<Verdict> => {
      if (qps <= 100) return 'met';
      voids++;
      return 'void';
    };
    expect(await findMaxLoad({ ...search, precision: 1 }, run)).toEqual({ maxQps: 100, tooHighQps: 200, limitedBy: 'generator' });
    expect(voids).toBe(3);
  });

  test('ends at the most a run can hold, and if no load meets the goal', async () => {
    expect(await findMaxLoad({ ...search, mostQps: 350 }, upTo(1e9).run)).toEqual({
      maxQps: 350,
      tooHighQps: null,
      limitedBy: 'most',
    });
    expect(await findMaxLoad(search, upTo(0).run)).toMatchObject({ maxQps: null, limitedBy: 'slo' });
    expect(await findMaxLoad(search, async () => 'void')).toMatchObject({ maxQps: null, limitedBy: 'generator' });
  });

  test('ends even if no confirmation succeeds', async () => {
    const run = async (_qps: number, phase: SearchPhase): Promise<Verdict> => (phase === 'confirm' ? 'missed' : 'met');
    expect((await findMaxLoad({ ...search, mostQps: 1_000 }, run)).maxQps).toBeNull();
  });
});
