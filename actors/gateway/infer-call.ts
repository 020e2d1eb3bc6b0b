import { beginningOf } from '../../engine/beginning-of.ts';

/** An input tensor from a client, by HTTP or gRPC; the first axis of its shape is the batch. */
export interface RequestTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  /** Raw little-endian bytes, or values, flat or nested. */
  readonly data: unknown;
  /** What to call it in messages: `inputs[0] (image)`. */
  readonly where: string;
}

/** A request of the Open Inference Protocol, by HTTP or gRPC. Each of its samples becomes one request to the deployment. */
export interface InferCall {
  readonly model: string;
  /** Empty or undefined: any version. */
  readonly version: string | undefined;
  readonly id: string | undefined;
  /** Undefined: the deployment's default. */
  readonly deadlineMs: number | undefined;
  /** Header of the client's trace, unparsed; undefined: none. */
  readonly traceparent?: string | undefined;
  readonly inputs: readonly RequestTensor[];
  /** Names of outputs; empty: the standard ones. */
  readonly outputs: readonly string[];
}

export function whereOf(index: number, name: unknown): string {
  return typeof name === 'string' && name !== '' ? `inputs[${index}] (${beginningOf(name, 80)})` : `inputs[${index}]`;
}
