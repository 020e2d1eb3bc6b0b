import { describe, expect, it } from 'vitest';
import type { OutputSpec } from '../../../../engine/backend/backend.ts';
import { chooseScores } from '../../../../engine/backend/choose-output.ts';

const output = (name: string, shape: OutputSpec['shape'], type = 'float32'): OutputSpec => ({ name, type, shape });

describe('chooseScores', () => {
  it.each<[string, OutputSpec[]]>([
    ['several columns before one', [output('sure', [1]), output('scores', [3])]],
    ['columns with axes of length 1 behind them', [output('map', [3, 7, 7]), output('scores', [3, 1, 1])]],
    ['columns with an axis of length 1 before them', [output('map', [2, 3]), output('scores', [1, 3])]],
    ['an unknown number of columns', [output('scores', [null])]],
    ['float16', [output('scores', [3], 'float16')]],
    ['float64', [output('scores', [3], 'float64')]],
    ['what is not declared before a single column', [output('sure', [1]), output('scores', undefined)]],
    ['a single column where there is no other', [output('label', [], 'int64'), output('scores', [1])]],
    ['one number per sample', [output('scores', [])]],
    ['the first of several', [output('scores', [3]), output('other', [3])]],
    ['no certainties', [output('doubt', [3]), output('scores', [3])]],
  ])('takes %s', (_, outputs) => {
    expect(chooseScores('m.onnx', outputs, { auxiliaryOutput: 'doubt' }).name).toBe('scores');
  });

  it('takes the named output', () => {
    expect(chooseScores('m.onnx', [output('a', [3]), output('b', [2, 2])], { output: 'b' }).name).toBe('b');
  });

  it.each<[string, OutputSpec[], string?]>([
    [
      'm.onnx: has no output y; its outputs are a float32[batch, ?], b int64',
      [output('a', [null]), output('b', undefined, 'int64')],
      'y',
    ],
    ['m.onnx: output a is int64; scores are one of float16, float32, float64', [output('a', [3], 'int64')], 'a'],
    [
      'm.onnx: has no output of class scores, float16, float32, float64 [batch, classes]; its outputs are a int64[batch, 3]',
      [output('a', [3], 'int64')],
    ],
  ])('says "%s"', (message, outputs, named) => {
    expect(() => chooseScores('m.onnx', outputs, { output: named })).toThrow(message);
  });
});
