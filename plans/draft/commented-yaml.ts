import { stringify } from 'yaml';

/** A part of a YAML file, and comments that explain it. */
export interface Section {
  readonly comments: readonly string[];
  readonly value: Readonly<Record<string, unknown>>;
}

const WIDTH = 100;

/** The sections in order, each below its comments. */
export function commentedYaml(sections: readonly Section[]): string {
  return sections
    .filter(({ comments, value }) => comments.length > 0 || Object.keys(value).length > 0)
    .map(
      ({ comments, value }) =>
        `${comments.flatMap(wrapped).join('')}${Object.keys(value).length === 0 ? '' : stringify(value, { lineWidth: 0 })}`,
    )
    .join('\n');
}

/** Comment lines, wrapped between words. */
function wrapped(comment: string): string[] {
  const lines: string[] = [];
  let line = '#';
  for (const word of comment.split(/\s+/)) {
    if (line.length + 1 + word.length > WIDTH && line !== '#') {
      lines.push(`${line}\n`);
      line = '#';
    }
    line += ` ${word}`;
  }
  return [...lines, `${line}\n`];
}
