import { Command } from 'commander';
import { vi } from 'vitest';

/** The module of a command. */
export interface CommandModule {
  register(program: Command): void;
}

export interface Said {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line in this process with the given commands; throws what the command throws. */
export async function runInProcess(commands: readonly CommandModule[], args: readonly string[]): Promise<Said> {
  const said = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((stream) =>
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      said[stream] += String(text);
      return true;
    }),
  );
  const program = new Command('cascade').exitOverride();
  for (const command of commands) command.register(program);
  try {
    await program.parseAsync(args, { from: 'user' });
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return said;
}
