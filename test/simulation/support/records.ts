import type { Sample } from '../../../engine/tensor/tensor.ts';

/** Number of classes of the simulated family: enough that answers to different requests mostly differ. */
export const CLASSES = 16;

/** The sample of a request: its number. */
export function sampleOf(request: number): Uint8Array {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setInt32(0, request, true);
  return data;
}

export function requestOf([{ data }]: Sample): number {
  return new DataView(data.buffer, data.byteOffset, data.byteLength).getInt32(0, true);
}

/** What each model answers to a request, so that every answer can be checked against its request. */
export function labelOf(request: number, model: number): number {
  return mixed(request, model) % CLASSES;
}

export function certaintyOf(request: number, model: number): number {
  // Representable in 32 bits, like the backend's output.
  return (mixed(request, model + 100) % 256) / 256;
}

function mixed(request: number, salt: number): number {
  let hash = Math.imul(request + 1, 0x9e3779b1) ^ Math.imul(salt + 1, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** Whether models fail on a request; a share of them is like that. */
export function isPoison(request: number, share: number): boolean {
  return mixed(request, 200) % 1_000 < share * 1_000;
}
