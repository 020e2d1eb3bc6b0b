import { Argument, type Command } from 'commander';
import { SHELLS, type Shell } from '../completion/shell-scripts.ts';

export function register(program: Command): void {
  program
    .command('completion')
    .description('print a shell script for completing commands and options')
    .addArgument(new Argument('<shell>', 'your shell').choices(SHELLS))
    .action(async (shell: Shell) => {
      const { commandWords } = await import('../completion/command-words.ts');
      const { completionScript } = await import('../completion/shell-scripts.ts');
      process.stdout.write(completionScript(shell, commandWords(program)));
    });
}
