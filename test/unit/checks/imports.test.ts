import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

const LINT: string = JSON.parse(readFileSync('package.json', 'utf8')).scripts['check:lint'];
const ONE_WAY = 'imports run one way: actors -> plans -> engine';

/** Runs `npm run check:lint`, with this repository's rules, in a folder that holds only these files. */
function lint(files: Readonly<Record<string, string>>): { status: number | null; output: string } {
  const folder = mkdtempSync(join(tmpdir(), 'imports-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const name of ['biome.json', '.gitignore']) copyFileSync(name, join(folder, name));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(folder, dirname(name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  const { status, stdout, stderr } = spawnSync(LINT, {
    cwd: folder,
    shell: true,
    encoding: 'utf8',
    env: { ...process.env, PATH: `${resolve('node_modules/.bin')}${delimiter}${process.env.PATH}` },
  });
  return { status, output: stdout + stderr };
}

const VALUE = 'export const one = 1;\n';

test('accepts imports that run from actors to plans to engine', () => {
  const { status, output } = lint({
    'engine/one.ts': VALUE,
    'plans/two.ts': "import { one } from '../engine/one.ts';\n\nexport const two = one + one;\n",
    'actors/three.ts':
      "import { one } from '../engine/one.ts';\nimport { two } from '../plans/two.ts';\n\nexport const three = one + two;\n",
  });
  expect(status, output).toBe(0);
});

test('rejects two files that import each other', () => {
  const { status, output } = lint({
    'engine/one.ts': "import { two } from './two.ts';\n\nexport const one = (): number => two();\n",
    'engine/two.ts': "import { one } from './one.ts';\n\nexport const two = (): number => one();\n",
  });
  expect(status).toBe(1);
  expect(output).toMatch(/engine\/one\.ts:1:\d+ lint\/suspicious\/noImportCycles/);
  expect(output).toMatch(/engine\/two\.ts:1:\d+ lint\/suspicious\/noImportCycles/);
});

test('rejects a cycle that only imports types, through three files', () => {
  const fileOf = (name: string, next: string): string =>
    `import type { ${next} } from './${next.toLowerCase()}.ts';\n\nexport interface ${name} {\n  readonly next: ${next} | undefined;\n}\n`;
  const { status, output } = lint({
    'plans/one.ts': fileOf('One', 'Two'),
    'plans/two.ts': fileOf('Two', 'Three'),
    'plans/three.ts': fileOf('Three', 'One'),
  });
  expect(status).toBe(1);
  for (const name of ['one', 'two', 'three'])
    expect(output).toMatch(new RegExp(`plans/${name}\\.ts:1:\\d+ lint/suspicious/noImportCycles`));
});

test.each([
  ['engine/bus/a.ts', '../../plans/domain/one.ts', ONE_WAY],
  ['engine/a.ts', '../plans/one.ts', ONE_WAY],
  ['engine/a.ts', '../actors/frontend/one.ts', ONE_WAY],
  ['plans/policy/a.ts', '../../actors/one.ts', ONE_WAY],
  ['plans/policy/a.ts', '../../engine/bus/one.ts', 'plans/ is pure: no NATS'],
  ['plans/policy/a.ts', 'nats', 'plans/ is pure: no NATS'],
])('rejects %s that imports %s, in each way of importing', (file, imported, reason) => {
  const folder = dirname(file);
  const target = imported.startsWith('.') ? { [join(folder, imported)]: `${VALUE}export type One = typeof one;\n` } : {};
  const statements = {
    [file]: `import { one } from '${imported}';\n\nexport const other = one;\n`,
    [`${folder}/type-only.ts`]: `import type { One } from '${imported}';\n\nexport type Other = One;\n`,
    [`${folder}/re-export.ts`]: `export { one } from '${imported}';\n`,
    [`${folder}/on-demand.ts`]: `export const { one } = await import('${imported}');\n`,
  };
  const { status, output } = lint({ ...target, ...statements });
  expect(status).toBe(1);
  for (const offender of Object.keys(statements)) {
    expect(output).toMatch(new RegExp(`${offender.replaceAll('.', '\\.')}:1:\\d+ lint/style/noRestrictedImports`));
  }
  expect(output).toContain(reason);
});
