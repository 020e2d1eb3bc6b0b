import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** The command that users run. It compiles the sources once; a loader would compile them in each process. */
export const COMMAND = fileURLToPath(new URL('../../actors/cascade.mjs', import.meta.url));

export interface Ended {
  /** Null if a signal ended the process. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Cascade {
  readonly process: ChildProcess;
  /** The first line on stdout; rejects if the command ends before that. */
  readonly firstLine: Promise<string>;
  readonly ended: Promise<Ended>;
  /** Output on stderr so far. */
  stderr(): string;
  /** Asks a serving process to drain and exit. */
  stop(): Promise<Ended>;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Killed when a test file ends early; otherwise they would occupy the cores and ports of the next one. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts a program. */
export function startCommand(program: string, args: readonly string[], { cwd, env }: CommandOptions = {}): Cascade {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd,
    env: { ...process.env, ...env },
  });
  running.add(child);
  let stdout = '';
  let stderr = '';
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  const ended = once(child, 'close').then(([code, signal]): Ended => {
    running.delete(child);
    return { code, signal, stdout, stderr };
  });
  const firstLine = new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (data) => {
      stdout += data;
      const end = stdout.indexOf('\n');
      if (end !== -1) resolve(stdout.slice(0, end));
    });
    ended.then((end) => reject(new Error(howItEnded(program, args, end))), reject);
  });
  // Most callers wait only for the end.
  firstLine.catch(() => undefined);
  const stop = (): Promise<Ended> => {
    child.kill('SIGTERM');
    return ended;
  };
  return { process: child, firstLine, ended, stderr: () => stderr, stop };
}

/** Runs a program that must succeed. */
export async function runCommand(program: string, args: readonly string[]): Promise<Ended> {
  const end = await startCommand(program, args).ended;
  if (end.code !== 0) throw new Error(howItEnded(program, args, end));
  return end;
}

/** Starts the `cascade` command in its own process. */
export function startCascade(args: readonly string[], options?: CommandOptions): Cascade {
  return startCommand(process.execPath, [COMMAND, ...args], options);
}

/** Runs the `cascade` command to its end. */
export function runCascade(args: readonly string[], options?: CommandOptions): Promise<Ended> {
  return startCascade(args, options).ended;
}

/** Runs a command that must succeed, and returns its output with `--json -`. */
export async function cascadeJson<T>(args: readonly string[]): Promise<T> {
  const end = await runCascade([...args, '--json', '-']);
  if (end.code !== 0) throw new Error(howItEnded('cascade', args, end));
  return JSON.parse(end.stdout) as T;
}

/** Profiles and plans a deployment; both files are written next to it. */
export async function profileAndPlan(folder: string): Promise<void> {
  for (const command of ['profile', 'plan']) {
    const end = await runCascade([command, folder]);
    if (end.code !== 0) throw new Error(howItEnded('cascade', [command, folder], end));
  }
}

function howItEnded(program: string, args: readonly string[], { code, signal, stderr }: Ended): string {
  return `${program} ${args.join(' ')} ended with ${signal ?? `code ${code}`}:\n${stderr}`;
}
