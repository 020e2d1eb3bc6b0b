import { invalid } from '../../engine/errors.ts';

/**
 * What a request may consist of. To read a request blocks the gateway, so it has to take much less than a second, which its bytes alone
 * do not ensure.
 */

/** Bounded, because a request is held in memory as a whole. */
export const MAX_REQUEST_BYTES = 64 * 1024 * 1024;
/** Of all tensors together, those that are not sent as bytes. A million take about 0.2 s to read, from JSON. */
export const MAX_VALUES = 1_000_000;
/** In JSON, names included. They take ten times as long as numbers. */
export const MAX_STRINGS = 131_072;
/** In JSON, objects and their fields; over gRPC, parameters. */
export const MAX_FIELDS = 16_384;
/** Inputs, and outputs. */
export const MAX_TENSORS = 1_024;
export const MAX_AXES = 64;

/** @throws CascadeError INVALID_ARGUMENT */
export function checkTensors(field: string, count: number): void {
  if (count > MAX_TENSORS) throw invalid(`${field}: ${count}; give at most ${MAX_TENSORS}`);
}
