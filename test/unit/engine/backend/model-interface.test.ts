import { describe, expect, it } from 'vitest';
import { familyInputs, inputPositions, interfaceOf } from '../../../../engine/backend/model-interface.ts';
import type { TensorSpec } from '../../../../engine/tensor/tensor.ts';

const spec = (name: string, shape: (number | null)[], dtype: TensorSpec['dtype'] = 'int64'): TensorSpec => ({
  name,
  dtype,
  shape,
  pad: 0,
});

describe('interfaceOf', () => {
  it('drops the batch axis and leaves symbolic axes ragged', () => {
    const inputs = [{ name: 'ids', type: 'int64', shape: ['batch', 'tokens', 3] }];
    const outputs = [
      { name: 'out', type: 'float32', shape: ['batch', 4] },
      { name: 'undeclared', type: 'string', shape: [] },
    ];
    expect(interfaceOf('m.onnx', inputs, outputs, { ids: { pad: 9 } })).toEqual({
      inputs: [{ name: 'ids', dtype: 'int64', shape: [null, 3], pad: 9 }],
      outputs: [
        { name: 'out', type: 'float32', shape: [4] },
        { name: 'undeclared', type: 'string', shape: undefined },
      ],
      fixedBatch: undefined,
    });
  });

  it.each<[string, (number | string)[], number | undefined]>([
    ['a name', ['N', 4], undefined],
    ['no name', ['', 4], undefined],
    ['-1', [-1, 4], undefined],
    ['1', [1, 4], 1],
    ['8', [8, 4], 8],
  ])('reads a batch axis written as %s', (_, shape, fixedBatch) => {
    const read = interfaceOf('m.onnx', [{ name: 'x', type: 'uint8', shape }], [], {});
    expect(read).toMatchObject({ inputs: [{ shape: [4] }] });
    expect(read.fixedBatch).toBe(fixedBatch);
  });

  it('says which inputs fix the batch at different sizes', () => {
    const inputs = [1, -1, 5].map((batch, i) => ({ name: 'xyz'[i], type: 'uint8', shape: [batch, 4] }));
    expect(() => interfaceOf('m.onnx', inputs, [], {})).toThrow(
      'm.onnx: input x has its batch axis (the first) fixed at 1, input z at 5; export the model with one batch size',
    );
  });

  it.each([
    ['m.onnx: input x is bfloat16; export the model with one of uint8,', { name: 'x', type: 'bfloat16', shape: ['batch'] }],
    ['m.onnx: input x has no axes', { name: 'x', type: 'uint8', shape: [] }],
  ])('says "%s"', (message, input) => {
    expect(() => interfaceOf('m.onnx', [input], [], {})).toThrow(message);
  });
});

describe('familyInputs', () => {
  it('are all inputs of all models, in order of first appearance; a fixed axis wins', () => {
    const models = [
      { name: 'a', inputs: [spec('ids', [null])] },
      { name: 'b', inputs: [spec('mask', [null]), spec('ids', [128])] },
    ];
    expect(familyInputs(models)).toEqual([spec('ids', [128]), spec('mask', [null])]);
  });

  it('are the same for all models', () => {
    const models = [
      { name: 'a', inputs: [spec('x', [28])] },
      { name: 'b', inputs: [spec('x', [32])] },
    ];
    expect(() => familyInputs(models)).toThrow('input x is int64[28] in model a and int64[32] in model b');
  });
});

describe('inputPositions', () => {
  it('finds a model’s inputs in a sample of the family', () => {
    expect(
      inputPositions('m.onnx', [spec('mask', [null]), spec('ids', [128])], [spec('ids', [128]), spec('mask', [null])]),
    ).toEqual([1, 0]);
  });

  it('says what the samples are missing', () => {
    expect(() => inputPositions('m.onnx', [spec('types', [null])], [spec('ids', [null])])).toThrow(
      'm.onnx: takes input types int64[?]; the samples have ids int64[?]',
    );
  });
});
