import { stringify } from 'yaml';
import { deploymentReference } from '../domain/deployment/reference.ts';

/** Options that a draft does not need but people look for. `example` is for options without a default, or with a derived one. */
const MORE: readonly { readonly path: string; readonly example?: unknown }[] = [
  { path: 'certainty' },
  { path: 'frontends' },
  { path: 'deadline', example: { default: '1s', max: '10s' } },
  { path: 'durable', example: {} },
  { path: 'audit', example: {} },
  { path: 'drift', example: { replan: 'never' } },
  { path: 'prepareTimeout' },
  { path: 'settle' },
  { path: 'loadWindow' },
  { path: 'prefix' },
  { path: 'nats', example: { servers: ['nats://127.0.0.1:4222'] } },
];

/** Comment lines with those options that the draft does not set, each with its default and the start of its description. */
export function moreOptions(written: ReadonlySet<string>): string {
  const reference = new Map(deploymentReference().map((option) => [option.path, option]));
  const lines = MORE.filter(({ path }) => !written.has(path)).map(({ path, example }) => {
    const { defaultValue, description = '' } = reference.get(path) ?? {};
    const value = stringify({ [path]: example ?? defaultValue }, { collectionStyle: 'flow', lineWidth: 0 }).trim();
    // A one-line mapping, without the braces around it.
    return `# ${value.slice(2, -2)} # ${firstWords(description)}`;
  });
  return ['# More options, with their defaults; `cascade options NAME` describes one.', ...lines, ''].join('\n');
}

/** Text up to the first punctuation that is not within brackets or code. */
function firstWords(description: string): string {
  const words = /^(?:[^.;:(`]|`[^`]*`|\.(?=\S)|:(?=\S))+/.exec(description)?.[0] ?? description;
  return words.trim().replace(/,$/, '');
}
