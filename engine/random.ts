/** Seeded random numbers: sfc32 (Chris Doty-Humphrey, PractRand), 128 bits of state. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [0, bound). */
  below(bound: number): number;
  /** Exponential with the given mean (inter-arrival times of a Poisson process). */
  exponential(mean: number): number;
  /** Standard normal. */
  normal(): number;
  /** An independent stream, identified by name so that adding a stream does not affect the others. */
  split(name: string): Random;
}

export function createRandom(seed: number | string): Random {
  const [next, key] = sfc32(String(seed));
  return {
    next,
    below: (bound) => Math.floor(next() * bound),
    exponential: (mean) => -mean * Math.log(1 - next()),
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    split: (name) => createRandom(`${key}/${name}`),
  };
}

function sfc32(key: string): [() => number, string] {
  // FNV-1a hashes the key into the first word; twelve rounds mix it into the others, as the generator's author recommends.
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  let a = hash | 0;
  let b = Math.imul(hash, 0x9e3779b9) | 0;
  let c = (key.length * 0x85ebca6b) | 0;
  let counter = 1;
  const next = (): number => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + t) | 0;
    return (t >>> 0) / 4294967296;
  };
  for (let i = 0; i < 12; i++) next();
  return [next, key];
}
