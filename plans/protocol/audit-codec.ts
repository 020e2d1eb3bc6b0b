import { MalformedMessage, messageOf } from '../../engine/errors.ts';
import type { Tensor, TensorSpec } from '../../engine/tensor/tensor.ts';
import { decode, encode, splitColumn } from './codec.ts';
import type { AuditItem, Opinion } from './messages.ts';
import { checkTensors, isOpinion } from './work-check.ts';

/** An audit item on the wire: tensors as in a work frame with a single request. */
interface WireItem {
  opinion: Opinion;
  tensors: { data: Uint8Array; shapes: number[][] | null }[];
}

export function encodeAuditItem({ opinion, sample }: AuditItem, specs: readonly TensorSpec[]): Uint8Array {
  const tensors = specs.map((spec, i) => ({
    data: sample[i].data,
    shapes: spec.shape.includes(null) ? [[...sample[i].shape]] : null,
  }));
  return encode({ opinion, tensors } satisfies WireItem);
}

/** Its tensors are copies, so callers may keep them. @throws MalformedMessage unless the item is complete. */
export function decodeAuditItem(data: Uint8Array, specs: readonly TensorSpec[]): AuditItem {
  let wire: { [K in keyof WireItem]?: unknown } | null;
  try {
    wire = decode(data);
  } catch {
    throw new MalformedMessage('audit', 'not MessagePack');
  }
  if (typeof wire !== 'object' || wire === null) throw new MalformedMessage('audit', 'not a map');
  const { opinion, tensors } = wire;
  if (opinion === null || opinion === undefined || !isOpinion(opinion)) throw new MalformedMessage('audit', 'opinion');
  if (!Array.isArray(tensors) || tensors.length !== specs.length) throw new MalformedMessage('audit', 'tensors');
  return { opinion: opinion as Opinion, sample: specs.map((spec, i) => readTensor(tensors[i], spec)) };
}

function readTensor(column: WireItem['tensors'][number], spec: TensorSpec): Tensor {
  try {
    checkTensors(column, spec, 1);
    return splitColumn(spec, column, 1)[0];
  } catch (error) {
    throw new MalformedMessage('audit', 'tensors', messageOf(error));
  }
}
