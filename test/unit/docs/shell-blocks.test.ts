import { readdirSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { createProgram } from '../../../actors/program.ts';

/** Pages that tell people what to type. */
const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  ...['docs', 'conf', 'docker'].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}/${name}`),
  ),
];

/** The `cascade` commands in a page's shell blocks and inline code, without comments and shell syntax. */
function commandLines(text: string): string[] {
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, block]) => block.replaceAll('\\\n', ' ').split('\n'));
  return blocks.flatMap((line) => /^(?:npx )?cascade ([^#|&>;]+)/.exec(line.trim())?.[1].trim() ?? []);
}

/** The problem with a command line, or nothing. */
function problemOf(line: string): string | undefined {
  const words = (line.match(/'[^']*'|"[^"]*"|\S+/g) ?? []).map((word) => word.replace(/^(['"])(.*)\1$/, '$2'));
  let command: Command = createProgram();
  while (command.commands.length > 0) {
    const name = words.shift();
    const next = command.commands.find((each) => each.name() === name);
    if (next === undefined) return `there is no command ${name}`;
    command = next;
  }
  // Files that the command would write need not be writable here.
  for (const option of command.options) option.parseArg = undefined;
  const { operands, unknown } = command.parseOptions(words);
  if (unknown.length > 0) return `${command.name()} has no ${unknown.join(' ')}`;
  const least = command.registeredArguments.filter(({ required }) => required).length;
  if (operands.length < least || operands.length > command.registeredArguments.length) return `${operands.length} arguments`;
  return undefined;
}

test.each(PAGES)('the commands in %s exist', (page) => {
  const problems = commandLines(readFileSync(page, 'utf8')).flatMap((line) => {
    const problem = problemOf(line);
    return problem === undefined ? [] : [`${line}: ${problem}`];
  });
  expect(problems).toEqual([]);
});

test('finds a command, an option or an argument that does not exist', () => {
  const page = (line: string): string => `Text\n\n\`\`\`sh\n${line}\n\`\`\`\n`;
  const problems = (line: string): (string | undefined)[] => commandLines(page(line)).map(problemOf);
  expect(problems('npx cascade plan DIR --qps-max 5   # comment')).toEqual([undefined]);
  expect(problems('npx cascade sevre DIR')).toEqual(['there is no command sevre']);
  expect(problems('cascade plan DIR --qps-maximum 5')).toEqual(['plan has no --qps-maximum 5']);
  expect(problems('npx cascade trace cut')).toEqual(['0 arguments']);
  expect(problems('npm run demo')).toEqual([]);
});
