import { expect, test } from 'vitest';
import { LinearSolver, type Row } from '../../../../../plans/planner/sp3/linear-solver.ts';

/** x + y >= 3, x <= 2 */
const rows: Row[] = [
  {
    lower: 3,
    upper: 1e6,
    entries: [
      [0, 1],
      [1, 1],
    ],
  },
  { lower: 0, upper: 2, entries: [[0, 1]] },
];

test('a linear program has all the time it needs, even after a mixed-integer one with no time', async () => {
  const solver = await LinearSolver.create();
  try {
    const options = { integer: [true, true], relativeGap: 0, maxNodes: 10, timeLimitSeconds: 0 };
    expect(solver.minimiseMixed([1, 2], rows, options)).toBeUndefined();
    expect([...solver.minimise([1, 2], rows)]).toEqual([2, 1]);
  } finally {
    solver.dispose();
  }
});
