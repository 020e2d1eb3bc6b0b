import type { Argument, Command, Option } from 'commander';

/** What shells need to complete a command. */
export interface CommandWords {
  /** Command names without the program's own: `trace import`. */
  readonly path: string;
  readonly description: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly OptionWords[];
  /** Possible arguments; empty: files. */
  readonly choices: readonly string[];
}

interface OptionWords {
  readonly long: string;
  readonly description: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
}

/** All commands in order of declaration, starting with the program. */
export function commandWords(command: Command, path: readonly string[] = []): CommandWords[] {
  const help = command.createHelp();
  const commands = help.visibleCommands(command);
  return [
    {
      path: path.join(' '),
      description: command.description(),
      commands: commands.map((each) => ({ name: each.name(), description: each.description() })),
      options: help.visibleOptions(command).flatMap(optionWords),
      choices: command.registeredArguments.flatMap(({ argChoices = [] }: Argument) => argChoices),
    },
    ...commands.filter((each) => each.name() !== 'help').flatMap((each) => commandWords(each, [...path, each.name()])),
  ];
}

function optionWords({ long, description, required, optional, argChoices = [] }: Option): OptionWords[] {
  if (long === undefined || long === null) return [];
  return [{ long, description, takesValue: required || optional, choices: argChoices }];
}
