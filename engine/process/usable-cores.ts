import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** Numbers of the cores that this process may run on, ascending: a container's cpuset or an affinity mask may leave some out. */
export function usableCores(): number[] {
  if (process.platform === 'linux') {
    const [, list] = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
    if (list !== undefined) return parseCoreList(list);
  }
  return cpus().map((_, core) => core);
}

/** `0-2,5` as Linux writes it. */
export function parseCoreList(list: string): number[] {
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}
