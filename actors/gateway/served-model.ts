import { CascadeError, invalid } from '../../engine/errors.ts';
import { DATATYPES } from '../../engine/oip/datatypes.ts';
import type { TensorSpec } from '../../engine/tensor/tensor.ts';
import type { Result } from '../../plans/protocol/messages.ts';
import { MAX_OUTPUTS } from '../../plans/protocol/request.ts';
import type { ServedOutput } from './outputs.ts';

/** There is one version, because new plans and weights do not change what a client may send. */
export const VERSION = '1';

export interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  /** Starts with the batch axis; -1: any length. */
  readonly shape: readonly number[];
}

export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
}

/** A deployment, presented as the only model of an Open Inference Protocol server. */
export class ServedModel {
  readonly name: string;
  readonly specs: readonly TensorSpec[];
  #outputs: readonly ServedOutput[];

  constructor(name: string, specs: readonly TensorSpec[], outputs: readonly ServedOutput[]) {
    this.name = name;
    this.specs = specs;
    this.#outputs = outputs;
  }

  /** @throws CascadeError NOT_FOUND for an unknown model or version. */
  check(model: string, version: string | undefined): void {
    if (model !== this.name) {
      throw new CascadeError('NOT_FOUND', `model ${quote(model)} is not served here; the model is ${quote(this.name)}`);
    }
    if (version !== undefined && version !== '' && version !== VERSION) {
      throw new CascadeError('NOT_FOUND', `model ${this.name} has no version ${quote(version)}; its version is ${VERSION}`);
    }
  }

  get metadata(): ModelMetadata {
    return {
      name: this.name,
      versions: [VERSION],
      platform: 'cascade',
      inputs: this.specs.map(({ name, dtype, shape }) => ({ name, datatype: DATATYPES[dtype], shape: withBatch(shape) })),
      outputs: this.#outputs.flatMap(({ name, dtype, shape }) =>
        dtype === undefined || shape === undefined ? [] : [{ name, datatype: DATATYPES[dtype], shape: withBatch(shape) }],
      ),
    };
  }

  /** The named outputs, or the standard ones if `names` is empty. @throws CascadeError INVALID_ARGUMENT for an unknown name or too many. */
  outputs(names: readonly string[]): readonly ServedOutput[] {
    if (names.length === 0) return this.#outputs.filter(({ standard }) => standard);
    const outputs = [...new Set(names)].map((name) => {
      const output = this.#outputs.find((each) => each.name === name);
      if (output !== undefined) return output;
      throw invalid(
        `outputs: ${quote(name)} is unknown; this model returns ${this.#outputs.map((each) => each.name).join(', ')}`,
      );
    });
    const ofModels = outputs.filter(({ needs }) => needs === 'output').length;
    if (ofModels > MAX_OUTPUTS) throw invalid(`outputs: ${ofModels} outputs of the models; name at most ${MAX_OUTPUTS}`);
    return outputs;
  }

  get outputsOfModels(): readonly string[] {
    return this.#outputs.filter(({ needs }) => needs === 'output').map(({ name }) => name);
  }

  /** Learns the types and shapes of these outputs from answers. An axis in which the answers differ may have any length. */
  learn(names: readonly string[], results: readonly Result[]): void {
    this.#outputs = this.#outputs.map((output) => {
      if (!names.includes(output.name)) return output;
      const values = results.map(output.read);
      const [{ dtype, shape }] = values;
      const sameRank = values.every((value) => value.shape.length === shape.length);
      if (!sameRank) return output;
      return {
        ...output,
        dtype,
        shape: shape.map((length, axis) => (values.every((value) => value.shape[axis] === length) ? length : null)),
      };
    });
  }

  /** An output that cannot be returned is only asked for if a request names it; the refusal says why. */
  onNotReturned(name: string): void {
    this.#outputs = this.#outputs.map((output) => (output.name === name ? { ...output, standard: false } : output));
  }
}

function withBatch(shape: readonly (number | null)[]): number[] {
  return [-1, ...shape.map((length) => length ?? -1)];
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}
