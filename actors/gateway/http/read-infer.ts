import { z } from 'zod';
import { invalid } from '../../../engine/errors.ts';
import { splitBody } from '../../../engine/oip/body.ts';
import type { BodyLimits } from '../../../engine/scan-json.ts';
import { type InferCall, type RequestTensor, whereOf } from '../infer-call.ts';
import { checkTensors, MAX_AXES, MAX_FIELDS, MAX_STRINGS, MAX_VALUES } from '../limits.ts';
import { deadlineMsOf, refuseUnsupported } from '../parameters.ts';

const JSON_LIMITS: BodyLimits = {
  depth: 16,
  items: MAX_VALUES,
  strings: MAX_STRINGS,
  fields: MAX_FIELDS,
  advice: 'send tensors as bytes: binary_data_size',
};

const parameters = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((value) => value ?? {});
const text = z.string().nullish();

/** Other fields are ignored, as other servers do. The data are checked once their shape is known. */
const bodySchema = z.object({
  id: text,
  parameters,
  inputs: z
    .array(
      z.object({ name: z.string(), shape: z.array(z.number()), datatype: z.string(), parameters, data: z.unknown().optional() }),
    )
    .min(1),
  outputs: z.array(z.object({ name: z.string(), parameters })).nullish(),
});

type Body = z.output<typeof bodySchema>;

/** A request over HTTP, and which outputs its client wants as bytes. */
export interface HttpInfer {
  readonly call: InferCall;
  readonly isBinary: (output: string) => boolean;
}

/**
 * Reads the body of `infer`: JSON, or JSON followed by tensors (the binary tensor extension).
 * @param jsonLength value of the header that says where the JSON ends.
 * @throws CascadeError INVALID_ARGUMENT
 */
export function readInfer(
  model: string,
  version: string | undefined,
  bytes: Uint8Array,
  jsonLength: string | undefined,
): HttpInfer {
  const { json, binary } = splitBody(bytes, jsonLength, JSON_LIMITS);
  checkLengths(json);
  const parsed = bodySchema.safeParse(json);
  if (!parsed.success) throw invalid(describeProblem(parsed.error.issues[0]));
  const body = parsed.data;
  const outputs = body.outputs ?? [];
  for (const [i, output] of outputs.entries()) {
    const where = `outputs[${i}].parameters`;
    refuseUnsupported(output.parameters, where);
    if (output.parameters.classification !== undefined && output.parameters.classification !== 0)
      throw invalid(`${where}.classification is not supported; ask for the outputs label, class_name or scores`);
  }
  const binaryByName = new Map(
    outputs.map((output, i) => [output.name, flag(output.parameters, 'binary_data', `outputs[${i}].parameters`)]),
  );
  const binaryByDefault = flag(body.parameters, 'binary_data_output', 'parameters') ?? false;
  return {
    call: {
      model,
      version,
      id: body.id ?? undefined,
      deadlineMs: deadlineMsOf(body.parameters),
      inputs: readTensors(body.inputs, binary),
      outputs: outputs.map(({ name }) => name),
    },
    isBinary: (name) => binaryByName.get(name) ?? binaryByDefault,
  };
}

/** Before each element of these lists is checked, which takes longer than to parse it. */
function checkLengths(json: unknown): void {
  for (const field of ['inputs', 'outputs']) {
    const tensors = listOf(json, field);
    checkTensors(field, tensors.length);
    for (const [i, tensor] of tensors.entries()) {
      const axes = listOf(tensor, 'shape').length;
      if (axes > MAX_AXES) throw invalid(`${field}[${i}].shape: ${axes} axes; give at most ${MAX_AXES}`);
    }
  }
}

function listOf(value: unknown, field: string): readonly unknown[] {
  const list = typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[field] : undefined;
  return Array.isArray(list) ? list : [];
}

function readTensors(inputs: Body['inputs'], binary: Uint8Array): RequestTensor[] {
  let at = 0;
  const tensors = inputs.map(({ name, shape, datatype, parameters: given, data }, i): RequestTensor => {
    const where = whereOf(i, name);
    refuseUnsupported(given, `${where}.parameters`);
    const size = given.binary_data_size;
    if (size === undefined) return { name, shape, datatype, where, data };
    if (data !== undefined) throw invalid(`${where}: both data and binary_data_size; give one of them`);
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
      throw invalid(`${where}.parameters.binary_data_size: ${JSON.stringify(size)}; use a number of bytes`);
    }
    if (at + size > binary.length) {
      throw invalid(
        `${where}: binary_data_size is ${size}, but only ${binary.length - at} of the ${binary.length} bytes after the JSON are left`,
      );
    }
    at += size;
    return { name, shape, datatype, where, data: binary.subarray(at - size, at) };
  });
  if (at < binary.length) {
    throw invalid(`${binary.length} bytes follow the JSON, but the inputs' binary_data_size add up to ${at}`);
  }
  return tensors;
}

function flag(given: Readonly<Record<string, unknown>>, name: string, where: string): boolean | undefined {
  const value = given[name];
  if (value === undefined || typeof value === 'boolean') return value;
  throw invalid(`${where}.${name}: ${JSON.stringify(value)?.slice(0, 40)}; use true or false`);
}

function describeProblem({ path, message }: z.core.$ZodIssue): string {
  const place = path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
    .join('')
    .replace(/^\./, '');
  return `${place === '' ? 'the body' : place}: ${message}; a request is {"inputs": [{"name", "shape", "datatype", "data"}]}`;
}
