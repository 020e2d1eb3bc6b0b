import { joinBody } from '../../../engine/oip/body.ts';
import { DATATYPES } from '../../../engine/oip/datatypes.ts';
import type { OipTensor } from '../../../engine/oip/oip-client.ts';
import { valuesOf } from '../../../engine/tensor/values-of.ts';

interface Written {
  readonly body: string | Uint8Array<ArrayBuffer>;
  /** Length of the JSON, if tensors follow it. */
  readonly jsonLength: number | undefined;
}

/**
 * Writes the answer to `infer`: JSON, followed by the tensors that the client wants as bytes.
 * @throws CascadeError INVALID_ARGUMENT for a 64-bit integer that JSON would round.
 */
export function writeInfer(
  head: { readonly model_name: string; readonly model_version: string; readonly id: string | undefined },
  tensors: readonly OipTensor[],
  isBinary: (output: string) => boolean,
): Written {
  const binary: Uint8Array[] = [];
  const outputs = tensors.map((tensor) => {
    const { name, dtype, shape, data } = tensor;
    const described = { name, datatype: DATATYPES[dtype], shape };
    if (!isBinary(name)) return { ...described, data: valuesOf(tensor, `output ${name}`, 'ask for it as bytes (binary_data)') };
    binary.push(data);
    return { ...described, parameters: { binary_data_size: data.length } };
  });
  const json = { ...head, outputs };
  if (binary.length === 0) return { body: JSON.stringify(json), jsonLength: undefined };
  return joinBody(json, binary);
}
