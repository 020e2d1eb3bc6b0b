import { readFileSync } from 'node:fs';

/** Samples of equal size in bytes, one after the other. */
export interface Samples {
  readonly count: number;
  at(index: number): Uint8Array;
}

/** Reads a `.npy` file of unsigned bytes, version 1 of the format. */
export function readSamples(file: string): Samples {
  const bytes = readFileSync(file);
  const begin = 10 + bytes.readUInt16LE(8);
  const header = bytes.subarray(10, begin).toString('latin1');
  const count = Number(/'shape':\s*\((\d+)/.exec(header)?.[1]);
  if (bytes[6] !== 1 || !/'descr':\s*'\|u1'/.test(header) || !(count > 0)) {
    throw new Error(`${file}: version ${bytes[6]}, ${header.trim()}; this reader takes version 1 with elements of |u1`);
  }
  const size = (bytes.length - begin) / count;
  return { count, at: (index) => bytes.subarray(begin + index * size, begin + (index + 1) * size) };
}
