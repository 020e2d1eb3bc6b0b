import type { Sample } from '../../../engine/tensor/tensor.ts';

/** Classes of the simulated family: enough that an answer to another request is mostly another one. */
export const CLASSES = 16;

/** Sample of a request: its number. */
export function sampleOf(request: number): Uint8Array {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setInt32(0, request, true);
  return data;
}

export function requestOf([{ data }]: Sample): number {
  return new DataView(data.buffer, data.byteOffset, data.byteLength).getInt32(0, true);
}

/** What each model makes of a request: every answer can be checked against its question. */
export function labelOf(request: number, model: number): number {
  return mixed(request, model) % CLASSES;
}

export function certaintyOf(request: number, model: number): number {
  // Representable in 32 bits, as the backend says it.
  return (mixed(request, model + 100) % 256) / 256;
}

function mixed(request: number, salt: number): number {
  let hash = Math.imul(request + 1, 0x9e3779b1) ^ Math.imul(salt + 1, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** Whether models fail on a request, of which a share is such. */
export function isPoison(request: number, share: number): boolean {
  return mixed(request, 200) % 1_000 < share * 1_000;
}
