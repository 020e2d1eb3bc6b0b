import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

/** Runs the check on a folder with these files. */
function check(files: Readonly<Record<string, string>>): { status: number | null; stderr: string } {
  const folder = mkdtempSync(join(tmpdir(), 'links-'));
  try {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(join(folder, dirname(name)), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
    const { status, stderr } = spawnSync(process.execPath, ['test/support/check-links.mjs', folder], { encoding: 'utf8' });
    return { status, stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const OTHER = '# Other page\n\n## `serve`, and more\n\n## Twice\n\n## Twice\n';

test.each([
  ['a file', '[a](docs/gone.md)', 'README.md: docs/gone.md: there is no docs/gone.md\n'],
  ['a picture', '![a](gone.png)', 'README.md: gone.png: there is no gone.png\n'],
  ['a link by reference', '[a][1]\n\n[1]: gone.md', 'README.md: gone.md: there is no gone.md\n'],
  ['a link in a table', '| a |\n|---|\n| [b](gone.md) |', 'README.md: gone.md: there is no gone.md\n'],
  ['a heading of this file', '# Here\n\n[a](#there)', 'README.md: #there: README.md has no heading #there; it has here\n'],
  ['a heading of another', '[a](docs/other.md#thrice)', 'README.md: docs/other.md#thrice: docs/other.md has no heading #thrice'],
  ['a place outside', '[a](../secret.md)', 'README.md: ../secret.md leads out of the repository\n'],
])('finds a dead link: %s', (_, text, expected) => {
  const { status, stderr } = check({ 'README.md': text, 'docs/other.md': OTHER });
  expect(stderr).toContain(expected);
  expect(status).toBe(1);
});

test('accepts files, folders, headings, other sites, and text that only looks like a link', () => {
  const text = `# Here

[a](docs/other.md) [b](docs) [c](docs/other.md#serve-and-more) [d](docs/other.md#twice-1) [e](#here) <https://example.org> [f](https://example.org/gone)

\`[g](gone.md)\`

\`\`\`
[h](gone.md)
\`\`\`
`;
  expect(
    check({ 'README.md': text, 'docs/other.md': `${OTHER}\n[up](../README.md#here)`, 'node_modules/x/README.md': '[a](gone)' }),
  ).toEqual({ status: 0, stderr: '' });
});

test('fails if there is nothing to check', () => {
  expect(check({ 'a.txt': '' }).status).toBe(1);
});
