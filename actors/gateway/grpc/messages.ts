import type { Contents } from '../../../engine/oip/contents.ts';

/** Messages of the service as proto-loader returns them with `keepCase`, `defaults` and numbers for 64-bit integers. */

/** `parameter_choice` names the field that is set. */
interface InferParameter {
  readonly parameter_choice?: 'bool_param' | 'int64_param' | 'string_param' | 'double_param' | 'uint64_param';
  readonly bool_param?: boolean;
  readonly int64_param?: number;
  readonly string_param?: string;
  readonly double_param?: number;
  readonly uint64_param?: number;
}

export type Parameters = Readonly<Record<string, InferParameter>>;

export interface InputTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly parameters: Parameters;
  readonly contents: Contents | null;
}

export interface ModelInferRequest {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly parameters: Parameters;
  readonly inputs: readonly InputTensor[];
  readonly outputs: readonly { readonly name: string; readonly parameters: Parameters }[];
  readonly raw_input_contents: readonly Uint8Array[];
}

export interface ModelInferResponse {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly outputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly shape: readonly number[];
    readonly contents?: Partial<Contents>;
  }[];
  readonly raw_output_contents: readonly Uint8Array[];
}

/** The answer to a message of a stream: either may be empty. */
export interface ModelStreamInferResponse {
  readonly error_message: string;
  readonly infer_response: ModelInferResponse;
}
