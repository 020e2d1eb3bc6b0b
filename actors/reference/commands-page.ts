import type { Argument, Command, Option } from 'commander';
import { examplesOf } from '../examples.ts';

/**
 * docs/commands.md, generated from the declarations; a test compares the file with this.
 * @param program with all its commands.
 */
export function commandsPage(program: Command): string {
  const commands = program.commands.flatMap((command) => leaves(command, []));
  return `# Commands

\`npx cascade COMMAND\`, in a checkout or where the package is installed. \`npx cascade COMMAND --help\` prints the same in a terminal, and
\`source <(npx cascade completion bash)\` lets the shell complete it.

DEPLOYMENT is a deployment file, or a folder with a \`deployment.yaml\`. Results go to stdout, progress and logs to stderr. \`--json FILE\` writes the
result as JSON; with \`-\` it goes to stdout, and nothing else does. Exit codes: 0 ok, 2 usage or configuration, 3 infeasible, 1 anything else.

| command | |
|---|---|
${commands.map(({ path, command }) => `| [${path}](#${path.replaceAll(' ', '-')}) | ${cell(command.description())} |`).join('\n')}

${commands.map(section).join('\n\n')}

This page is generated from the declarations of the commands: run \`npx vitest run test/unit/actors/commands -u\` to update it.
`;
}

interface Leaf {
  /** \`trace import\` */
  readonly path: string;
  readonly command: Command;
}

/** Commands that can be run; their parents only group them. */
function leaves(command: Command, above: readonly string[]): Leaf[] {
  const path = [...above, command.name()];
  if (command.commands.length === 0) return [{ path: path.join(' '), command }];
  return command.commands.flatMap((below) => leaves(below, path));
}

function section({ path, command }: Leaf): string {
  const examples = examplesOf(path);
  const rows = [
    ...command.registeredArguments.map(argumentRow),
    ...command.options.filter(({ hidden }) => !hidden).map(optionRow),
  ];
  return [
    `## ${path}`,
    `${sentence(command.description())}`,
    ...(rows.length === 0 ? [] : [`| | default | |\n|---|---|---|\n${rows.join('\n')}`]),
    ...(examples.length === 0 ? [] : [`\`\`\`sh\n${examples.join('\n')}\n\`\`\``]),
  ].join('\n\n');
}

function argumentRow(argument: Argument): string {
  const name = argument.required ? `<${argument.name()}>` : `[${argument.name()}]`;
  return row(name, argument.defaultValue, argument.argChoices, argument.description);
}

function optionRow({ flags, defaultValue, argChoices, description, negate }: Option): string {
  return row(flags, negate ? undefined : defaultValue, argChoices, description);
}

function row(name: string, defaultValue: unknown, choices: readonly string[] | undefined, description: string): string {
  const standard = defaultValue === undefined ? '' : `\`${JSON.stringify(defaultValue)}\``;
  const among = choices === undefined ? '' : `: ${choices.join(', ')}`;
  return `| \`${name.replaceAll('|', '\\|')}\` | ${cell(standard)} | ${cell(`${description}${among}`)} |`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}

function sentence(text: string): string {
  return `${text[0].toUpperCase()}${text.slice(1)}${text.endsWith('.') ? '' : '.'}`;
}
