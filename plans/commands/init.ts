import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { ConfigError } from '../../engine/errors.ts';
import { writeWhole } from '../../engine/write-file.ts';
import { shellWord } from './shell-word.ts';

/** `cascade init`. */
export function register(program: Command): void {
  program
    .command('init')
    .description('write a deployment.yaml for a folder of ONNX models and labelled data')
    .argument('<dir>', 'folder to search for models and data, including its subfolders')
    .option('--force', 'overwrite an existing deployment.yaml')
    .action(run);
}

async function run(dir: string, { force = false }: { readonly force?: boolean }): Promise<void> {
  const { draftDeployment } = await import('../draft/draft-deployment.ts');
  const { parseDeployment } = await import('../domain/deployment/read-deployment.ts');
  const file = join(dir, 'deployment.yaml');
  if (!existsSync(dir) || !statSync(dir).isDirectory())
    throw new ConfigError(
      `${dir} ${existsSync(dir) ? 'is not a folder' : 'does not exist'}; name the folder of your models and data`,
    );
  if (existsSync(file) && !force) throw new ConfigError(`${file} already exists; --force overwrites it`);
  const { yaml, notes, passedOver } = await draftDeployment(dir);
  for (const line of passedOver) process.stderr.write(`${line}\n`);
  const { problems } = parseDeployment(yaml, resolve(file));
  if (problems.length > 0)
    throw new ConfigError(`${file} is not written, because the draft would be refused:\n${problems.join('\n')}`);
  writeWhole(file, yaml);
  const list = notes.map((note) => `  - ${note}`).join('\n');
  process.stdout.write(`written: ${file}\n${list}\nnext: cascade check ${shellWord(dir)}\n`);
}
