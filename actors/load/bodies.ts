import { encodeUnnamedRequest, type Inputs } from '../client/request-body.ts';

/** Encoded requests, back to back, in memory shared between threads. */
export interface Bodies {
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  /** Start of each request, and the end of the last. */
  readonly offsets: Float64Array<SharedArrayBuffer>;
}

/**
 * Encodes each sample once, so that during the load we only need to send.
 * @param mostBytes total limit; samples that do not fit are left out, but never the first.
 */
export function encodeBodies(
  samples: readonly number[],
  inputsOf: (sample: number) => Inputs,
  deadlineMs: number,
  mostBytes: number,
): Bodies {
  const encoded: Uint8Array[] = [];
  let total = 0;
  for (const sample of samples) {
    const body = encodeUnnamedRequest(inputsOf(sample), deadlineMs);
    if (encoded.length > 0 && total + body.length > mostBytes) break;
    encoded.push(body);
    total += body.length;
  }
  const bytes = new Uint8Array(new SharedArrayBuffer(total));
  const offsets = new Float64Array(new SharedArrayBuffer(8 * (encoded.length + 1)));
  encoded.forEach((body, i) => {
    bytes.set(body, offsets[i]);
    offsets[i + 1] = offsets[i] + body.length;
  });
  return { bytes, offsets };
}

export function bodyCount({ offsets }: Bodies): number {
  return offsets.length - 1;
}

export function bodyOf({ bytes, offsets }: Bodies, index: number): Uint8Array {
  return bytes.subarray(offsets[index], offsets[index + 1]);
}
