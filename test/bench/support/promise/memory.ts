import { readFileSync } from 'node:fs';
import { descendants } from '../../../support/processes.ts';

export interface Memory {
  /** Shared pages are divided among their processes, so that sums over processes are correct. */
  readonly pssMiB: number;
  readonly rssMiB: number;
}

/** Memory of these processes and all their descendants. */
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
