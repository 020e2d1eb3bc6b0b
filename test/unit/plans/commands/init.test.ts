import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { ConfigError } from '../../../../engine/errors.ts';
import * as init from '../../../../plans/commands/init.ts';
import { writeImageFamily } from '../../../fixtures/image-family.ts';
import { runInProcess } from '../../../support/run-in-process.ts';

const dir = mkdtempSync(join(tmpdir(), 'cascade-init-'));

afterAll(() => rmSync(dir, { recursive: true }));

const run = (folder: string) => runInProcess([init], ['init', folder, '--force']);

test('quotes the next command for the shell, whatever the folder is called', async () => {
  for (const [name, word] of [
    ['plain-1', join(dir, 'plain-1')],
    ["l'été à deux", `'${join(dir, "l'\\''été à deux")}'`],
  ]) {
    const folder = join(dir, name);
    mkdirSync(folder);
    writeImageFamily(folder);
    expect((await run(folder)).stdout).toContain(`\nnext: cascade check ${word}\n`);
  }
});

test('says if a folder does not exist or is not a folder', async () => {
  await expect(run(import.meta.filename)).rejects.toThrow(
    'init.test.ts is not a folder; name the folder of your models and data',
  );
  const attempt = run(join(dir, 'absent'));
  await expect(attempt).rejects.toThrow(ConfigError);
  await expect(attempt).rejects.toThrow('absent does not exist; name the folder of your models and data');
});

test('a draft that would be refused is not written', async () => {
  vi.doMock('../../../../plans/draft/draft-deployment.ts', () => ({
    draftDeployment: async () => ({ yaml: 'name: bad name\n', notes: [], passedOver: [] }),
  }));
  const attempt = run(dir);
  await expect(attempt).rejects.toThrow('deployment.yaml is not written, because the draft would be refused:');
  await expect(attempt).rejects.toThrow('"bad name" cannot be a token of a NATS subject');
  expect(existsSync(join(dir, 'deployment.yaml'))).toBe(false);
});
