import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { createProgram } from '../../../../actors/program.ts';

const OUTPUTS = ['--out', '--json', '--html'];

const outputs = commandsOf(createProgram()).flatMap((command) =>
  command.options
    .filter(({ long }) => OUTPUTS.includes(long ?? ''))
    .map((option) => ({ name: `${command.name()} ${option.long}`, option })),
);

function commandsOf(command: Command): Command[] {
  return [command, ...command.commands.flatMap(commandsOf)];
}

test.each(outputs)('$name refuses a file that cannot be written before any work is done', ({ option }) => {
  const parse = (file: string): unknown => option.parseArg?.(file, undefined);
  for (const file of ['', '/nowhere/at/all']) expect(() => parse(file)).toThrow(/name a file|cannot be written/);
  if (option.long !== '--json') expect(() => parse('-')).toThrow(/name a file|leave it out/);
  else expect(parse('-')).toBe('-');
});

test('there are such options', () => expect(outputs.length).toBeGreaterThan(15));
