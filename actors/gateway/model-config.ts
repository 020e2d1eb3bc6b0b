import { MAX_SAMPLES } from './samples.ts';
import type { ModelMetadata, TensorMetadata } from './served-model.ts';

/** A model's configuration in Triton's format, which Triton's load generator asks for; dimensions exclude the batch axis. */
export function modelConfig({ name, platform, inputs, outputs }: ModelMetadata) {
  return { name, platform, max_batch_size: MAX_SAMPLES, input: inputs.map(tensor), output: outputs.map(tensor) };
}

function tensor({ name, datatype, shape }: TensorMetadata) {
  return { name, data_type: datatype === 'BYTES' ? 'TYPE_STRING' : `TYPE_${datatype}`, dims: shape.slice(1) };
}
