import { readFileSync } from 'node:fs';
import { descendants } from '../../../support/processes.ts';

export interface Memory {
  /** Shared pages count in parts, so that the sum over processes is what they take together. */
  readonly pssMiB: number;
  readonly rssMiB: number;
}

/** Memory of these processes and of all that they have started. */
export function memoryOf(pids: readonly number[]): Memory {
  const all = pids.flatMap((pid) => [pid, ...descendants(pid).map((child) => child.pid)]);
  const kilobytes = { Pss: 0, Rss: 0 };
  for (const pid of all) {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    for (const field of ['Pss', 'Rss'] as const)
      kilobytes[field] += Number(new RegExp(`^${field}: +(\\d+) kB$`, 'm').exec(text)?.[1]);
  }
  return { pssMiB: kilobytes.Pss / 1_024, rssMiB: kilobytes.Rss / 1_024 };
}
