import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { commandWords } from '../../../../actors/completion/command-words.ts';
import { completionScript, SHELLS } from '../../../../actors/completion/shell-scripts.ts';
import { createProgram } from '../../../../actors/program.ts';

const program = createProgram();
const commands = commandWords(program);

/** The completions that bash offers for the last word. */
function proposals(...words: readonly string[]): string[] {
  const list = words.map((word) => `'${word}'`).join(' ');
  const script = `${completionScript('bash', commands)}
COMP_WORDS=(cascade ${list}); COMP_CWORD=${words.length}; _cascade; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
  expect(stderr).toBe('');
  return stdout.split('\n').filter((line) => line !== '');
}

describe('bash completes', () => {
  test.each([
    [['ser'], ['serve']],
    [['serve', '--ro'], ['--role']],
    [['trace', 'im'], ['import']],
    [['trace', 'import', '--fo'], ['--format']],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish', '--help'],
    ],
    [['serve', 'my-models', '--log-level', 'd'], ['debug']],
    // Bash itself completes files.
    [['plan', '--out', ''], []],
  ])('%j', (words, expected) => {
    expect(proposals(...words)).toEqual(expected);
  });

  test('every command and every option that --help shows', () => {
    for (const { path, commands: below, options } of commands) {
      const words = path === '' ? [] : path.split(' ');
      const all = [...below.map(({ name }) => name), ...options.map(({ long }) => long)];
      expect(proposals(...words, ''), path).toEqual(expect.arrayContaining(all));
    }
  }, 30_000);
});

test.each(SHELLS)('%s accepts the script', (shell) => {
  // From a file: fish does not read a script from the socket that is a child's stdin here.
  const folder = mkdtempSync(join(tmpdir(), 'cascade-completion-'));
  writeFileSync(join(folder, 'script'), completionScript(shell, commands));
  const { error, status, stderr } = spawnSync(shell, ['-n', join(folder, 'script')], { encoding: 'utf8' });
  rmSync(folder, { recursive: true });
  if (error !== undefined) process.stderr.write(`${shell} is not installed: its completion is not checked\n`);
  else expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

test('every command that does something has examples, which only use existing arguments and options', () => {
  for (const { path } of commands) {
    const command = found(path);
    if (command.commands.length > 0 || /^$|^trace /.test(path)) continue;
    let help = '';
    command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
    const lines = [...help.matchAll(/^ {2}\$ (?:source <\()?(cascade [^>)\n]*)/gm)].map(([, line]) => line.trim());
    expect(lines.length, path).toBeGreaterThan(0);
    for (const line of lines) {
      const words = line.split(' ').slice(1 + path.split(' ').length);
      const { operands, unknown } = found(path).parseOptions(words.map((word) => (word.endsWith('.json') ? '-' : word)));
      expect(unknown, line).toEqual([]);
      expect(operands.length, line).toBeLessThanOrEqual(command.registeredArguments.length);
      expect(operands.length, line).toBeGreaterThanOrEqual(command.registeredArguments.filter(({ required }) => required).length);
    }
  }
});

function found(path: string): Command {
  const names = path === '' ? [] : path.split(' ');
  return names.reduce((at, name) => at.commands.find((each) => each.name() === name)!, program);
}
