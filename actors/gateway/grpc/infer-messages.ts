import { invalid } from '../../../engine/errors.ts';
import { readContents, writeContents } from '../../../engine/oip/contents.ts';
import { DATATYPES } from '../../../engine/oip/datatypes.ts';
import type { OipTensor } from '../../../engine/oip/oip-client.ts';
import type { TensorSpec } from '../../../engine/tensor/tensor.ts';
import { DEADLINE_MAX_MS } from '../../../plans/protocol/request.ts';
import { type InferCall, type RequestTensor, whereOf } from '../infer-call.ts';
import { deadlineMsOf, refuseUnsupported } from '../parameters.ts';
import type { ModelInferRequest, ModelInferResponse, Parameters } from './messages.ts';

/**
 * @param specs input types of the model, which decide the field that holds a tensor's values.
 * @param leftMs time until the deadline of the gRPC call; undefined: none.
 * @throws CascadeError INVALID_ARGUMENT
 */
export function readInferRequest(
  request: ModelInferRequest,
  specs: readonly TensorSpec[],
  leftMs: number | undefined,
): InferCall {
  const { model_name: model, model_version: version, id, inputs, outputs, raw_input_contents: raw } = request;
  if (inputs.length === 0) throw invalid('inputs: none; give each input of the model');
  if (raw.length > 0 && raw.length !== inputs.length) {
    throw invalid(`raw_input_contents: ${raw.length} for ${inputs.length} inputs; give the bytes of each input, in their order`);
  }
  for (const [i, output] of outputs.entries()) {
    const parameters = valuesOfParameters(output.parameters);
    refuseUnsupported(parameters, `outputs[${i}].parameters`);
    if (parameters.classification !== undefined && parameters.classification !== 0)
      throw invalid(`outputs[${i}].parameters.classification is not supported; ask for the outputs label, class_name or scores`);
  }
  const named = deadlineMsOf(valuesOfParameters(request.parameters));
  return {
    model,
    version,
    id,
    deadlineMs: leftMs === undefined ? named : Math.min(named ?? DEADLINE_MAX_MS, leftMs),
    inputs: inputs.map(({ name, datatype, shape, parameters, contents }, i): RequestTensor => {
      const where = whereOf(i, name);
      refuseUnsupported(valuesOfParameters(parameters), `${where}.parameters`);
      const filled = contents !== null && Object.values(contents).some((values) => values.length > 0);
      if (raw.length > 0 && filled) throw invalid(`${where}: both contents and raw_input_contents; give one of them`);
      const spec = specs.find((each) => each.name === name);
      // An unknown tensor, or one of another type, is refused later as a whole.
      const known = spec !== undefined && DATATYPES[spec.dtype] === datatype;
      return { name, datatype, shape, where, data: raw[i] ?? (known ? readContents(spec.dtype, contents, where) : []) };
    }),
    outputs: outputs.map(({ name }) => name),
  };
}

function valuesOfParameters(parameters: Parameters): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [name, value.parameter_choice && value[value.parameter_choice]]),
  );
}

/** @param raw whether the client sent raw bytes, and so expects raw bytes. */
export function writeInferResponse(
  head: Pick<ModelInferResponse, 'model_name' | 'model_version' | 'id'>,
  tensors: readonly OipTensor[],
  raw: boolean,
): ModelInferResponse {
  const described = tensors.map(({ name, dtype, shape }) => ({ name, datatype: DATATYPES[dtype], shape }));
  const contents = raw ? [] : tensors.map(writeContents);
  if (raw || contents.includes(undefined))
    return { ...head, outputs: described, raw_output_contents: tensors.map(({ data }) => data) };
  return {
    ...head,
    outputs: described.map((output, i) => ({ ...output, contents: contents[i] ?? {} })),
    raw_output_contents: [],
  };
}
