import { expect, test } from 'vitest';
import { commandWords } from '../../../../actors/completion/command-words.ts';
import { createProgram } from '../../../../actors/program.ts';
import { commandsPage } from '../../../../actors/reference/commands-page.ts';

const program = createProgram();

test('docs/commands.md is what the declarations say', async () => {
  await expect(commandsPage(program)).toMatchFileSnapshot('../../../../docs/commands.md');
});

test('each command that does something has a section with all its options', () => {
  const sections = new Map(
    commandsPage(program)
      .split('\n## ')
      .map((section) => [section.split('\n')[0], section] as const),
  );
  for (const { path, commands, options } of commandWords(program)) {
    if (commands.length > 0) continue;
    for (const { long } of options) if (long !== '--help') expect(sections.get(path), `${path} ${long}`).toContain(long);
  }
});
