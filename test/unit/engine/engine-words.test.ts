import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';

/** Runs the check on a folder with one file. */
function check(file: string, content: string): { status: number | null; stderr: string } {
  const folder = mkdtempSync(join(tmpdir(), 'engine-words-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'backend'));
  writeFileSync(join(folder, 'backend', file), content);
  const { status, stderr } = spawnSync(process.execPath, ['test/support/check-engine-words.mjs', folder], { encoding: 'utf8' });
  return { status, stderr: stderr.replaceAll(`${folder}/`, '') };
}

it.each([
  ['output.ts', 'export const one = 1;\nexport const certaintyOf = (row: number) => row;', 'backend/output.ts:2: certaint'],
  ['output.ts', '/** As the gear in force says. */', 'backend/output.ts:1: gear'],
  ['output.ts', 'const gearOf = new CompiledGear();', 'backend/output.ts:1: gear'],
  ['output.ts', '/** Of a plan. */', 'backend/output.ts:1: plan'],
  ['cascade-step.ts', 'export const one = 1;', 'backend/cascade-step.ts: cascade'],
])('finds a word that engine/ must not know in %s: %s', (file, content, expected) => {
  const { status, stderr } = check(file, content);
  expect(status).toBe(1);
  expect(stderr).toContain(expected);
});

it('allows the names of the product', () => {
  const content = "throw new CascadeError('INTERNAL', 'cascadeserve is not known');";
  expect(check('errors.ts', content)).toEqual({ status: 0, stderr: '' });
});

it('fails if there is nothing to check', () => {
  expect(check('readme.md', '').status).toBe(1);
});
