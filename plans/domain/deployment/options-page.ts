import { deploymentReference, type OptionReference } from './reference.ts';
import { shown } from './shown.ts';

/** docs/options.md, generated from the declarations; a test compares the file with this. */
export function optionsPage(): string {
  const options = deploymentReference();
  const own = options.filter((option) => topOf(option) === option.path);
  const plain = own.filter(({ path }) => partsOf(path, options).length === 0);
  const sections = own.flatMap((option) => {
    const parts = partsOf(option.path, options);
    return parts.length === 0 ? [] : [section(option, parts)];
  });
  return `# Options of a deployment file

Every option of \`deployment.yaml\`. \`npx cascade options\` prints the same in a terminal, and \`npx cascade options --json FILE\` writes the
JSON Schema, with which editors complete and check the file. An option that is not listed here is an error. Times are \`100ms\`, \`2s\`,
\`1h\` or a number of milliseconds; memory is \`512MiB\`, \`1GiB\` or a number of bytes. In the name of an option, \`[]\` stands for each entry of a
list and \`<name>\` for a name of yours. [models.md](models.md) has more about models and data, [operating.md](operating.md) about the rest.

## Single options

${table(plain)}

${sections.join('\n\n')}

This page is generated from \`plans/domain/deployment/schema.ts\`: run \`npx vitest run test/unit/plans/domain/deployment -u\` to update it.
`;
}

function topOf({ path }: OptionReference): string {
  return path.split(/[.[(]/)[0];
}

function partsOf(top: string, options: readonly OptionReference[]): OptionReference[] {
  return options.filter((option) => topOf(option) === top && option.path !== top);
}

function section(option: OptionReference, parts: readonly OptionReference[]): string {
  return `## ${option.path}\n\n${table([option, ...parts])}`;
}

function table(options: readonly OptionReference[]): string {
  return `| option | type | default | |\n|---|---|---|---|\n${options.map(row).join('\n')}`;
}

function row({ path, type, required, defaultValue, description = '' }: OptionReference): string {
  const standard = required ? 'required' : defaultValue === undefined ? '' : `\`${shown(defaultValue)}\``;
  return `| \`${path}\` | ${cell(type)} | ${cell(standard)} | ${cell(description)} |`;
}

/** A bar would end the cell, and what is in angle brackets would be taken for HTML. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
