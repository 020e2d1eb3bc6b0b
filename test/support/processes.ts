import { execFileSync } from 'node:child_process';

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

function processes(): Process[] {
  const table = execFileSync('ps', ['-A', '-ww', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' });
  return table
    .split('\n')
    .map((line) => /^ *(\d+) +(\d+) +(.*)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, pid, parent, command]) => ({ pid: Number(pid), parent: Number(parent), command }));
}

/** All descendants of a process. */
export function descendants(ancestor: number): Process[] {
  const all = processes();
  const found = all.filter(({ parent }) => parent === ancestor);
  // The list grows during the loop.
  for (const { pid } of found) found.push(...all.filter(({ parent }) => parent === pid));
  // Zombies have ended already.
  return found.filter(({ command }) => !command.endsWith('<defunct>'));
}

/** Those that still run; a reused process id does not count. */
export function alive(started: readonly Process[]): string[] {
  const now = new Map(processes().map(({ pid, command }) => [pid, command]));
  return started.filter(({ pid, command }) => now.get(pid) === command).map(({ pid, command }) => `${pid} ${command}`);
}
