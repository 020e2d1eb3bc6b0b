import { stringify } from 'yaml';
import { deploymentReference } from '../domain/deployment/reference.ts';
import { defaultDeadlineMs } from '../policy/deadline.ts';
import { DEADLINE_MAX_MS } from '../protocol/request.ts';

/** Options that a draft does not need but people look for. `example` is for options without a default. */
const MORE: readonly { readonly path: string; readonly example?: unknown }[] = [
  { path: 'certainty' },
  { path: 'frontends' },
  { path: 'drift', example: { replan: 'never' } },
  { path: 'prepareTimeout' },
  { path: 'settle' },
  { path: 'loadWindow' },
  { path: 'prefix' },
  { path: 'nats', example: { servers: ['nats://127.0.0.1:4222'] } },
];
/** Off unless they are written; then with their defaults. */
const OFF: typeof MORE = [
  { path: 'durable', example: {} },
  { path: 'audit', example: {} },
];

/**
 * Comment lines with those options that the draft does not set, each with its default and the start of its description.
 * @param p95Ms of the draft's SLO, which determines the default deadline.
 */
export function moreOptions(written: ReadonlySet<string>, p95Ms: number): string {
  const deadline = { default: seconds(defaultDeadlineMs(p95Ms)), max: seconds(DEADLINE_MAX_MS) };
  const reference = new Map(deploymentReference().map((option) => [option.path, option]));
  const linesOf = (options: typeof MORE): string[] =>
    options
      .filter(({ path }) => !written.has(path))
      .map(({ path, example }) => {
        const { defaultValue, description = '' } = reference.get(path) ?? {};
        const value = stringify({ [path]: example ?? defaultValue }, { collectionStyle: 'flow', lineWidth: 0 }).trim();
        // A one-line mapping, without the braces around it.
        return `# ${value.slice(2, -2)} # ${firstWords(description)}`;
      });
  return [
    '# More options, with their defaults; `cascade options NAME` describes one.',
    ...linesOf([...MORE, { path: 'deadline', example: deadline }]),
    '# Off by default:',
    ...linesOf(OFF),
    '',
  ].join('\n');
}

/** Text up to the first punctuation that is not within brackets or code. */
function firstWords(description: string): string {
  const words = /^(?:[^.;:(`]|`[^`]*`|\.(?=\S)|:(?=\S))+/.exec(description)?.[0] ?? description;
  return words.trim().replace(/,$/, '');
}

function seconds(ms: number): string {
  return `${ms / 1_000}s`;
}
