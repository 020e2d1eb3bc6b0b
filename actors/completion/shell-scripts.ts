import type { CommandWords } from './command-words.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** The script that a shell reads to complete `cascade`. */
export function completionScript(shell: Shell, commands: readonly CommandWords[]): string {
  return { bash, zsh, fish }[shell](commands);
}

/** Shell pattern that matches all commands except the program itself. */
function known(commands: readonly CommandWords[]): string {
  return commands.flatMap(({ path }) => (path === '' ? [] : [quoted(path)])).join('|');
}

/** After an option with a value: its choices, or files; otherwise the command's options and subcommands. */
function bash(commands: readonly CommandWords[]): string {
  const cases = commands.flatMap(({ path, options, commands: below, choices }) => {
    const words = [...below.map(({ name }) => name), ...choices, ...options.map(({ long }) => long)];
    return [
      ...options
        .filter(({ takesValue }) => takesValue)
        .map(({ long, choices: values }) => `    ${quoted(`${path}:${long}`)}) words=${quoted(values.join(' '))} ;;`),
      `    ${quoted(`${path}:`)}*) words=${quoted(words.join(' '))} ;;`,
    ];
  });
  return `# bash completion of cascade: source <(cascade completion bash)
_cascade() {
  local path= words= word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${path:+$path }$word" in
      ${known(commands)}) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path:\${COMP_WORDS[COMP_CWORD-1]}" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o bashdefault -o default -F _cascade cascade
`;
}

function zsh(commands: readonly CommandWords[]): string {
  const cases = commands.map(({ path, options, commands: below, choices }) => {
    const described = [
      ...below.map(({ name, description }) => `${name}:${description}`),
      ...choices,
      ...options.map(({ long, description }) => `${long}:${description}`),
    ];
    return `    ${quoted(path)}) entries=(${described.map(quoted).join(' ')}) ;;`;
  });
  const values = commands.flatMap(({ path, options }) =>
    options
      .filter(({ takesValue }) => takesValue)
      .map(({ long, choices }) => {
        const complete = choices.length > 0 ? `compadd -- ${choices.join(' ')}` : '_files';
        return `    ${quoted(`${path}:${long}`)}) ${complete}; return ;;`;
      }),
  );
  return `#compdef cascade
# zsh completion of cascade: source <(cascade completion zsh)
_cascade() {
  local at= word entries=()
  for word in $words[2,CURRENT-1]; do
    case "\${at:+$at }$word" in
      ${known(commands)}) at="\${at:+$at }$word" ;;
    esac
  done
  case "$at:$words[CURRENT-1]" in
${values.join('\n')}
  esac
  case "$at" in
${cases.join('\n')}
  esac
  _describe cascade entries
  [[ -n $at ]] && _files
}
compdef _cascade cascade
`;
}

function fish(commands: readonly CommandWords[]): string {
  const lines = commands.flatMap(({ path, options, commands: below, choices }) => {
    const seen =
      path === ''
        ? '__fish_use_subcommand'
        : path
            .split(' ')
            .map((name) => `__fish_seen_subcommand_from ${name}`)
            .join('; and ');
    const when = `complete -c cascade -n ${quoted(seen)}`;
    return [
      ...below.map(({ name, description }) => `${when} -f -a ${name} -d ${quoted(description)}`),
      ...(choices.length > 0 ? [`${when} -f -a ${quoted(choices.join(' '))}`] : []),
      ...options.map(({ long, description, takesValue, choices: values }) => {
        const value = values.length > 0 ? ` -x -a ${quoted(values.join(' '))}` : takesValue ? ' -r' : '';
        return `${when} -l ${long.replace(/^--/, '')}${value} -d ${quoted(description)}`;
      }),
    ];
  });
  return `# fish completion of cascade\n${lines.join('\n')}\n`;
}

/** Quotes text so that every shell reads it as one word. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
