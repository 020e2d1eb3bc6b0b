import { runProgram } from '../../actors/program.ts';

export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a `cascade` command in this process, because starting one takes longer than most short commands run. */
export async function runCommandLine(args: readonly string[]): Promise<Said> {
  const said = { stdout: '', stderr: '' };
  const writes = { stdout: process.stdout.write, stderr: process.stderr.write };
  for (const name of ['stdout', 'stderr'] as const) {
    process[name].write = (text: string | Uint8Array) => {
      said[name] += String(text);
      return true;
    };
  }
  const before = process.exitCode;
  process.exitCode = undefined;
  try {
    await runProgram(args);
    return { code: Number(process.exitCode ?? 0), ...said };
  } finally {
    process.exitCode = before;
    process.stdout.write = writes.stdout;
    process.stderr.write = writes.stderr;
  }
}
