import { KINDS, type Kind } from './kinds.ts';

/** docs/models.md, made from the test cases, so that it says what they check. */
export function modelsPage(): string {
  const sections = Object.entries(KINDS).map(
    ([title, kinds]) => `## ${title}\n\n| model | from | outcome |\n| --- | --- | --- |\n${kinds.map(row).join('\n')}\n`,
  );
  return `# Which models are served

ONNX models, made by any exporter. Each row is a test with a tiny model (\`test/integration/model-kinds\`), and this page is made from
them: \`UPDATE_DOCS=1 npx vitest run test/integration/model-kinds\`. \`cascade profile\` refuses every other model with the message shown
and exit code 2, before anything is served.

\`profile\` keeps one or two real samples of your data in \`profile.json\`: one of typical size, and the largest where sizes differ.
Replicas are warmed up with them, also on hosts that do not have the data. Of samples above 1 MiB only the shapes are kept. Guard the
file as you guard the data.

${sections.join('\n')}`;
}

function row({ what, from = '', outcome }: Kind): string {
  const result =
    outcome.type === 'refused'
      ? `refused: “${cell(outcome.message)}”`
      : `served${outcome.how === undefined ? '' : `: ${outcome.how}`}`;
  return `| ${cell(what)} | ${cell(from)} | ${result} |`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
