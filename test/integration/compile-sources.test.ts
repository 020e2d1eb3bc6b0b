import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Ended, startCommand } from '../support/cascade.ts';

/** The `cascade` command of a miniature checkout, whose program only says where it runs. */

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
// A space in the path: paths that come from URLs must be decoded.
const checkout = realpathSync(mkdtempSync(join(tmpdir(), 'cascade checkout-')));
const CACHE = join(checkout, '.cache', 'compiled');

beforeAll(() => {
  for (const folder of ['actors', 'plans', 'engine']) mkdirSync(join(checkout, folder));
  for (const file of ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'actors/cascade.mjs', 'engine/compile-sources.mjs'])
    cpSync(join(ROOT, file), join(checkout, file));
  symlinkSync(realpathSync(join(ROOT, 'node_modules')), join(checkout, 'node_modules'));
  writeFileSync(join(checkout, 'engine', 'word.ts'), "export const word: string = 'first';\n");
  writeFileSync(
    join(checkout, 'actors', 'main.ts'),
    "import { word } from '../engine/word.ts';\nconsole.log(word, import.meta.url.endsWith('.js') ? 'compiled' : 'by a loader');\n",
  );
});

afterAll(() => {
  for (const folder of [checkout, home]) rmSync(folder, { recursive: true, force: true });
});

/** A cache of the user, for when that of the checkout cannot be written. */
const home = realpathSync(mkdtempSync(join(tmpdir(), 'cascade home-')));

function run(cache = home): Promise<Ended> {
  return startCommand(process.execPath, [join(checkout, 'actors', 'cascade.mjs')], { env: { XDG_CACHE_HOME: cache } }).ended;
}

test('runs the compiled sources, compiling each version once however many start at the same time', async () => {
  const ends = await Promise.all([run(), run(), run()]);
  for (const end of ends) expect(end).toMatchObject({ code: 0, stdout: 'first compiled\n', stderr: '' });
  const compiled = readdirSync(CACHE);
  expect(compiled).toHaveLength(1);
  expect(await run()).toMatchObject({ code: 0, stdout: 'first compiled\n' });
  expect(readdirSync(CACHE)).toEqual(compiled);
});

test('runs edited sources', async () => {
  writeFileSync(join(checkout, 'engine', 'word.ts'), "export const word: string = 'second';\n");
  expect(await run()).toMatchObject({ code: 0, stdout: 'second compiled\n', stderr: '' });
});

test("compiles into the user's cache if the checkout cannot be written, and finds packages and files from there", async () => {
  expect(readdirSync(home)).toEqual([]);
  rmSync(join(checkout, '.cache'), { recursive: true });
  writeFileSync(join(checkout, '.cache'), 'a file where the folder should be');
  writeFileSync(
    join(checkout, 'engine', 'word.ts'),
    "import { parse } from 'yaml';\nimport { packageVersion } from './process/package-info.ts';\nexport const word: string = packageVersion() + parse('third');\n",
  );
  mkdirSync(join(checkout, 'engine', 'process'));
  cpSync(join(ROOT, 'engine', 'process', 'package-info.ts'), join(checkout, 'engine', 'process', 'package-info.ts'));
  for (const end of await Promise.all([run(), run()]))
    expect(end).toMatchObject({ code: 0, stdout: expect.stringMatching(/^[\d.]+third compiled\n$/), stderr: '' });
  expect(await run()).toMatchObject({ code: 0, stderr: '' });
});

test('says in a line why it cannot compile, and lets the loader run what it can', async () => {
  const end = await run(join(checkout, '.cache'));
  expect(end).toMatchObject({ code: 0, stdout: expect.stringContaining('third by a loader\n') });
  expect(end.stderr).toMatch(/runs from the sources by tsx, which takes more memory: .*\.cache/);
  rmSync(join(checkout, '.cache'));
  writeFileSync(join(checkout, 'tsconfig.build.json'), '{ "compilerOptions": { "wrong": 1, "bad": 2 } }');
  const { stderr } = await run();
  expect(stderr).toContain('the compiler ended with code');
  expect(stderr.match(/error TS/g)).toHaveLength(1);
});
