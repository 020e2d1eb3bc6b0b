import { spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

const PAGES = ['channels', 'commands', 'metrics', 'options'];

/** A copy of what `npm run check:docs` reads. */
function copyOfRepository(): string {
  const folder = mkdtempSync(join(tmpdir(), 'generated-pages-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const name of ['package.json', 'tsconfig.json', 'vitest.config.ts', 'engine', 'plans', 'actors', 'docs', 'test']) {
    cpSync(name, join(folder, name), { recursive: true, filter: (path) => path !== join('test', 'bench', 'results') });
  }
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
  return folder;
}

test('npm run check:docs fails for each generated page that is out of date, and names it', () => {
  const folder = copyOfRepository();
  for (const page of PAGES) appendFileSync(join(folder, 'docs', `${page}.md`), `outdated line of ${page}\n`);
  // Vitest sets variables that would make the inner run believe it is a worker of this one.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST')));
  const { status, stdout, stderr } = spawnSync('npm', ['run', 'check:docs'], { cwd: folder, env, encoding: 'utf8' });
  const output = stdout + stderr;
  expect(status, output).toBe(1);
  for (const page of PAGES) {
    expect(output).toContain(`docs/${page}.md is what the declarations say`);
    expect(output).toContain(`- outdated line of ${page}`);
  }
  expect(output).toContain('0 passed, 4 failed');
});
