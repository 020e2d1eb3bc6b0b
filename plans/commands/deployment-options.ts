import type { Command } from 'commander';
import { ConfigError } from '../../engine/errors.ts';
import type { OptionReference } from '../domain/deployment/reference.ts';
import { shown } from '../domain/deployment/shown.ts';
import { jsonFile } from './options.ts';

/** `cascade options`. */
export function register(program: Command): void {
  program
    .command('options')
    .description('list every option of a deployment file: type, default, and meaning')
    .argument('[option]', 'only this option and those in it, such as devices or drift.replan')
    .option('--json <file>', 'write the JSON Schema of a deployment file, for editors (- for stdout)', jsonFile)
    .action(run);
}

async function run(only: string | undefined, { json }: { readonly json?: string }): Promise<void> {
  const { deploymentJsonSchema, deploymentReference } = await import('../domain/deployment/reference.ts');
  const { writeJson } = await import('./json-output.ts');
  const options = deploymentReference();
  const chosen = options.filter(({ path }) => only === undefined || isWithin(path, only));
  if (chosen.length === 0) {
    const top = options.filter(({ path }) => !/[.[(]/.test(path)).map(({ path }) => path);
    throw new ConfigError(`a deployment has no option ${only}; it has ${top.join(', ')}`);
  }
  if (json !== '-') process.stdout.write(chosen.map(textOf).join(''));
  writeJson(json, deploymentJsonSchema());
}

function isWithin(path: string, option: string): boolean {
  return path === option || (path.startsWith(option) && /^[.[(]/.test(path.slice(option.length)));
}

function textOf({ path, type, required, defaultValue, description }: OptionReference): string {
  const standard = defaultValue === undefined ? '' : `, default ${shown(defaultValue)}`;
  const line = `${path}: ${type}${required ? ', required' : standard}\n`;
  return description === undefined ? line : `${line}    ${description}\n`;
}
