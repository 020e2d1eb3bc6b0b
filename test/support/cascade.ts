import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** What people type: it compiles the sources once, which a loader would do again in each process. */
export const COMMAND = fileURLToPath(new URL('../../actors/cascade.mjs', import.meta.url));

export interface Ended {
  /** Null when a signal ended the process. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Cascade {
  readonly process: ChildProcess;
  /** The first line on stdout; rejects when the command ends before. */
  readonly firstLine: Promise<string>;
  readonly ended: Promise<Ended>;
  /** What is on stderr so far. */
  stderr(): string;
  /** Asks a serving process to drain and leave. */
  stop(): Promise<Ended>;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** What still runs when a test file ends early must not outlive it: it would hold the cores and ports of the next. */
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
  // Most callers only wait for the end.
  firstLine.catch(() => undefined);
  const stop = (): Promise<Ended> => {
    child.kill('SIGTERM');
    return ended;
  };
  return { process: child, firstLine, ended, stderr: () => stderr, stop };
}

/** Runs a program that must end well. */
export async function runCommand(program: string, args: readonly string[]): Promise<Ended> {
  const end = await startCommand(program, args).ended;
  if (end.code !== 0) throw new Error(howItEnded(program, args, end));
  return end;
}

/** Starts the `cascade` command as a process of its own. */
export function startCascade(args: readonly string[], options?: CommandOptions): Cascade {
  return startCommand(process.execPath, [COMMAND, ...args], options);
}

/** Runs the `cascade` command to its end. */
export function runCascade(args: readonly string[], options?: CommandOptions): Promise<Ended> {
  return startCascade(args, options).ended;
}

/** Runs a command that must end well, and returns what it wrote with `--json -`. */
export async function cascadeJson<T>(args: readonly string[]): Promise<T> {
  const end = await runCascade([...args, '--json', '-']);
  if (end.code !== 0) throw new Error(howItEnded('cascade', args, end));
  return JSON.parse(end.stdout) as T;
}

/** Measures a deployment and makes its plan; both files are beside it. */
export async function profileAndPlan(folder: string): Promise<void> {
  for (const command of ['profile', 'plan']) {
    const end = await runCascade([command, folder]);
    if (end.code !== 0) throw new Error(howItEnded('cascade', [command, folder], end));
  }
}

function howItEnded(program: string, args: readonly string[], { code, signal, stderr }: Ended): string {
  return `${program} ${args.join(' ')} ended with ${signal ?? `code ${code}`}:\n${stderr}`;
}
