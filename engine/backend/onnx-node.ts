import { bytesOf, fields, textOf, varints } from './protobuf.ts';

/** The parts of a graph's node that we read (NodeProto: input = 1, output = 2, op_type = 4, attribute = 5). */
export interface GraphNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Bytes of each attribute, by name. */
  readonly attributes: ReadonlyMap<string, Uint8Array>;
}

export function readNode(message: Uint8Array): GraphNode {
  let op = '';
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes = new Map<string, Uint8Array>();
  for (const field of fields(message)) {
    if (field.number === 1) inputs.push(textOf(bytesOf(field)));
    else if (field.number === 2) outputs.push(textOf(bytesOf(field)));
    else if (field.number === 4) op = textOf(bytesOf(field));
    else if (field.number === 5) attributes.set(attributeName(bytesOf(field)), bytesOf(field));
  }
  return { op, inputs, outputs, attributes };
}

function attributeName(attribute: Uint8Array): string {
  for (const field of fields(attribute)) if (field.number === 1) return textOf(bytesOf(field));
  return '';
}

/** AttributeProto: s = 4. */
export function textAttribute(attribute: Uint8Array): string {
  for (const field of fields(attribute)) if (field.number === 4) return textOf(bytesOf(field));
  return '';
}

/** AttributeProto: ints = 8, one per field or all packed into one; strings = 9. */
export function listAttribute(attribute: Uint8Array): (string | number)[] {
  const list: (string | number)[] = [];
  for (const { number, value } of fields(attribute)) {
    if (number === 9 && typeof value !== 'number') list.push(textOf(value));
    else if (number === 8) for (const int of typeof value === 'number' ? [value] : varints(value)) list.push(int);
  }
  return list;
}
