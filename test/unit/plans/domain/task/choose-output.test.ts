import { describe, expect, it } from 'vitest';
import type { OutputSpec } from '../../../../../engine/backend/backend.ts';
import { chooseOutput, type OutputHints } from '../../../../../plans/domain/task/choose-output.ts';

const output = (name: string, shape?: (number | null)[], type = 'float32'): OutputSpec => ({ name, type, shape });
const choose = (outputs: readonly OutputSpec[], hints: Partial<OutputHints> = {}) =>
  chooseOutput(outputs, { task: 'classification', scores: 'logits', ...hints });

describe('chooseOutput', () => {
  it.each<[string, readonly OutputSpec[], Partial<OutputHints>, string]>([
    ['a column per class before the first', [output('a', [16]), output('b', [3])], { columns: 3 }, 'b'],
    ['the columns whatever the names say', [output('probabilities', [16]), output('tensor_7', [3])], { columns: 3 }, 'tensor_7'],
    ['the name where the columns are not known', [output('features', [16]), output('logits', [3])], {}, 'logits'],
    ['logits where scores are said to be logits', [output('probs', [3]), output('logits', [3])], { columns: 3 }, 'logits'],
    [
      'probabilities where they are said to be that',
      [output('logits', [3]), output('probs', [3])],
      { columns: 3, scores: 'probabilities' },
      'probs',
    ],
    [
      'floats only',
      [output('output_label', [], 'int64'), output('output_probability', [null])],
      { columns: 3 },
      'output_probability',
    ],
    ['no picture', [output('map', [3, 7, 7]), output('y', [3, 1, 1])], { columns: 3 }, 'y'],
    [
      'more columns before fewer, as the data need not have every class',
      [output('a', [2]), output('b', [10])],
      { columns: 9 },
      'b',
    ],
    ['no single column to tell classes apart', [output('value', [1]), output('x', [null])], { columns: 3 }, 'x'],
    ['a single column of a binary task', [output('embedding', [64]), output('y', [1])], { task: 'binary' }, 'y'],
    [
      'not what holds the certainty',
      [output('sure', [1]), output('y', [1])],
      { task: 'regression', certaintyOutput: 'sure' },
      'y',
    ],
    ['the value before its deviation', [output('std', [1]), output('mean', [1])], { task: 'regression', columns: 1 }, 'mean'],
    ['the first of equals', [output('a', [3]), output('b', [3])], { columns: 3 }, 'a'],
  ])('takes %s', (_, outputs, hints, chosen) => {
    expect(choose(outputs, hints)?.output).toBe(chosen);
  });

  it('says why, and what the alternatives are', () => {
    expect(choose([output('a', [3]), output('features', [16]), output('b', [3])], { columns: 3 })).toEqual({
      output: 'a',
      why: 'a has a column for each of the 3 classes',
      alternatives: ['b'],
    });
    expect(choose([output('y', [3])], { columns: 3 })).toEqual({
      output: 'y',
      why: 'y is the only output that can hold scores',
      alternatives: [],
    });
  });

  it('is undefined if no output can hold scores', () => {
    expect(choose([output('ids', [3], 'int64'), output('mask', [3, 8, 8])])).toBeUndefined();
  });
});
