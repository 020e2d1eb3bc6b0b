import { describe, expect, test } from 'vitest';
import { joinAnswers, outputsOf } from '../../../../actors/gateway/outputs.ts';
import { ServedModel } from '../../../../actors/gateway/served-model.ts';
import { valuesOf } from '../../../../engine/tensor/values-of.ts';
import type { Result } from '../../../../plans/protocol/messages.ts';
import { MAX_OUTPUTS } from '../../../../plans/protocol/request.ts';
import { resultFor } from '../../../support/stub-frontend.ts';

function join(outputs: ReturnType<typeof outputsOf>, names: readonly string[], results: readonly Result[]) {
  const model = new ServedModel('m', [], outputs);
  return joinAnswers(model.outputs(names), results).map((tensor) => ({
    ...tensor,
    data: valuesOf(tensor, 'an output', ''),
  }));
}

describe('an answer as tensors', () => {
  test('of classes has label, name, certainty and model, and the rest on request', () => {
    const outputs = outputsOf({ task: 'classification', classes: 2, named: true }, ['logits', 'label']);
    const results = [0, 1].map((label) => ({ ...resultFor('a', label), className: `c${label}`, scores: [1, label] }));
    expect(join(outputs, [], results)).toEqual([
      { name: 'label', dtype: 'int64', shape: [2], data: [0, 1] },
      { name: 'class_name', dtype: 'string', shape: [2], data: ['c0', 'c1'] },
      { name: 'certainty', dtype: 'float32', shape: [2], data: [Math.fround(0.9), Math.fround(0.9)] },
      { name: 'model', dtype: 'string', shape: [2], data: ['linear', 'linear'] },
    ]);
    expect(join(outputs, ['scores', 'stage', 'exit', 'gear', 'revision'], results)).toEqual([
      { name: 'scores', dtype: 'float32', shape: [2, 2], data: [1, 0, 1, 1] },
      { name: 'stage', dtype: 'int32', shape: [2], data: [0, 0] },
      { name: 'exit', dtype: 'string', shape: [2], data: ['certain', 'certain'] },
      { name: 'gear', dtype: 'int32', shape: [2], data: [3, 3] },
      { name: 'revision', dtype: 'int64', shape: [2], data: [1, 1] },
    ]);
    // A model output with the name of one of ours cannot be requested.
    expect(outputs.filter(({ name }) => name === 'label')).toHaveLength(1);
  });

  test('of labels has one column each', () => {
    const outputs = outputsOf({ task: 'multi-label', classes: 3, named: false }, []);
    const { label: _, ...rest } = resultFor('a');
    expect(
      join(
        outputs,
        ['labels'],
        [
          { ...rest, labels: [0, 2] },
          { ...rest, labels: [] },
        ],
      ),
    ).toEqual([{ name: 'labels', dtype: 'bool', shape: [2, 3], data: [true, false, true, false, false, false] }]);
  });

  test('of values has one or several', () => {
    const one = outputsOf({ task: 'regression', classes: 1, named: false }, []);
    expect(join(one, ['value'], [{ ...resultFor('a'), value: 1.5 }])).toEqual([
      { name: 'value', dtype: 'float64', shape: [1], data: [1.5] },
    ]);
    const two = outputsOf({ task: 'regression', classes: 2, named: false }, []);
    expect(join(two, ['value'], [{ ...resultFor('a'), value: [1, 2] }])).toEqual([
      { name: 'value', dtype: 'float64', shape: [1, 2], data: [1, 2] },
    ]);
  });

  test('of a custom task has the outputs of the models', () => {
    const outputs = outputsOf({ task: 'custom', classes: 1, named: false }, ['mask']);
    const mask = { dtype: 'uint8', shape: [2], data: Uint8Array.of(1, 0) } as const;
    const result = { ...resultFor('a'), outputs: { mask } };
    expect(join(outputs, [], [result, result]).map(({ name }) => name)).toEqual(['certainty', 'model', 'mask']);
    expect(join(outputs, ['mask'], [result, result])).toEqual([
      { name: 'mask', dtype: 'uint8', shape: [2, 2], data: [1, 0, 1, 0] },
    ]);
    expect(() => join(outputs, ['scores'], [result])).toThrow(/"scores" is unknown; this model returns certainty, model, stage/);
  });

  test('of a custom task has as many of them by default as a request may ask for', () => {
    const names = Array.from({ length: MAX_OUTPUTS + 1 }, (_, i) => `mask_${i}`);
    const model = new ServedModel('m', [], outputsOf({ task: 'custom', classes: 1, named: false }, names));
    const defaults = (): string[] =>
      model
        .outputs([])
        .filter(({ needs }) => needs === 'output')
        .map(({ name }) => name);
    expect(defaults()).toEqual(names.slice(0, MAX_OUTPUTS));
    model.onNotReturned('mask_1');
    expect(defaults()).not.toContain('mask_1');
    expect(model.outputs(['mask_1', names[MAX_OUTPUTS]])).toHaveLength(2);
    expect(() => model.outputs(names)).toThrow('outputs: 17 outputs of the models; name at most 16');
  });

  test('with different shapes cannot make a tensor', () => {
    const outputs = outputsOf({ task: 'custom', classes: 1, named: false }, ['mask']);
    const results = [1, 2].map((length) => ({
      ...resultFor('a'),
      outputs: { mask: { dtype: 'uint8', shape: [length], data: new Uint8Array(length) } as const },
    }));
    expect(() => join(outputs, ['mask'], results)).toThrow(/output mask is uint8\[1\] for sample 0 and uint8\[2\] for sample 1/);
  });
});

test('metadata list a model output once an answer has shown it, with -1 for axes in which answers differ', () => {
  const model = new ServedModel(
    'm',
    [{ name: 'x', dtype: 'float32', shape: [null, 3] }],
    outputsOf({ task: 'custom', classes: 1, named: false }, ['mask']),
  );
  expect(model.metadata.inputs).toEqual([{ name: 'x', datatype: 'FP32', shape: [-1, -1, 3] }]);
  expect(model.metadata.outputs.map(({ name }) => name)).not.toContain('mask');
  model.learn(
    ['mask'],
    [2, 5].map((length) => ({
      ...resultFor('a'),
      outputs: { mask: { dtype: 'float16', shape: [4, length], data: new Uint8Array(8 * length) } },
    })),
  );
  expect(model.metadata.outputs).toContainEqual({ name: 'mask', datatype: 'FP16', shape: [-1, 4, -1] });
});
