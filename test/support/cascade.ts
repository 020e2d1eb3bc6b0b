import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { entry } from '../../engine/source.ts';

const main = entry('actors/main');

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Cascade {
  readonly process: ChildProcess;
  /** The first line on stdout; rejects when the command ends before. */
  readonly firstLine: Promise<string>;
  readonly ended: Promise<Ended>;
}

/** Starts the `cascade` command as a process of its own. */
export function startCascade(args: readonly string[], env: Readonly<Record<string, string>> = {}): Cascade {
  const child = spawn(process.execPath, [...main.execArgv, main.path, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stderr.on('data', (data) => (stderr += data));
  const ended = once(child, 'close').then(([code]) => ({ code, stdout, stderr }) as Ended);
  const firstLine = new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (data) => {
      stdout += data;
      const end = stdout.indexOf('\n');
      if (end !== -1) resolve(stdout.slice(0, end));
    });
    void ended.then(({ code }) => reject(new Error(`cascade ${args.join(' ')} ended with code ${code}:\n${stderr}`)));
  });
  // Most callers only wait for the end.
  firstLine.catch(() => undefined);
  return { process: child, firstLine, ended };
}

/** Runs the `cascade` command to its end. */
export function runCascade(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return startCascade(args, env).ended;
}

/** Runs a command that must end well, and returns what it wrote with `--json -`. */
export async function cascadeJson<T>(args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await runCascade([...args, '--json', '-']);
  if (code !== 0) throw new Error(`cascade ${args.join(' ')} ended with code ${code}:\n${stderr}`);
  return JSON.parse(stdout) as T;
}
