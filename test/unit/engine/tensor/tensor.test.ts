import { describe, expect, it } from 'vitest';
import { fromFloat16Array } from '../../../../engine/tensor/float16.ts';
import { decodeStrings, encodeStrings } from '../../../../engine/tensor/strings.ts';
import { stack, type TensorSpec } from '../../../../engine/tensor/tensor.ts';

const ownMemory = (bytes: number): Uint8Array => new Uint8Array(bytes);
const spec = (dtype: TensorSpec['dtype'], shape: TensorSpec['shape'], pad = 0): TensorSpec => ({ name: 'x', dtype, shape, pad });
const texts = (shape: number[], ...list: string[]) => ({ data: encodeStrings(list), shape });

describe('stack', () => {
  it('concatenates strings', () => {
    const { data, dims } = stack(spec('string', [2]), [texts([2], 'a', 'bc'), texts([2], '', 'é')], ownMemory);
    expect([decodeStrings(data), dims]).toEqual([
      ['a', 'bc', '', 'é'],
      [2, 2],
    ]);
  });

  it('pads ragged axes of strings with empty ones', () => {
    const samples = [texts([1, 2], 'a', 'b'), texts([2, 1], 'c', 'd')];
    const { data, dims } = stack(spec('string', [null, null]), samples, ownMemory);
    expect([decodeStrings(data), dims]).toEqual([
      ['a', 'b', '', '', 'c', '', 'd', ''],
      [2, 2, 2],
    ]);
  });

  it('pads ragged axes of float16 with the number, not its bits', () => {
    const sample = { data: new Uint8Array(2), shape: [1] };
    const longer = { data: new Uint8Array(4), shape: [2] };
    const { data } = stack(spec('float16', [null], 0.5), [sample, longer], ownMemory);
    expect([...fromFloat16Array(new Uint16Array(data.slice().buffer))]).toEqual([0, 0.5, 0, 0]);
  });
});
