import type { OutputSpec } from '../../../engine/backend/backend.ts';
import type { ScoreKind, TaskName } from '../deployment/model-entry.ts';

/** What is known in addition to the outputs. */
export interface OutputHints {
  readonly task: TaskName;
  /** What the deployment says the scores are. */
  readonly scores: ScoreKind;
  /** Number of classes or labels, from their names or at least from the data; for regression, the number of values. */
  readonly columns?: number | undefined;
  /** Holds certainties, so it cannot hold the scores. */
  readonly certaintyOutput?: string | undefined;
}

export interface OutputChoice {
  readonly output: string;
  /** Reason in words: `logits has a column for each of the 3 classes`. */
  readonly why: string;
  /** Other outputs that could be meant, likeliest first. */
  readonly alternatives: readonly string[];
}

interface Rated {
  readonly name: string;
  readonly why: string;
  readonly rating: number;
}

/** Names that people and exporters use for scores. */
const KIND_NAMES = { logits: /logit/i, probabilities: /prob|softmax|sigmoid/i } as const;
const SCORE_NAMES = /logit|prob|softmax|sigmoid|score|pred|class/i;
const VALUE_NAMES = /pred|value|mean|variable|target|regress/i;
const PLAIN_NAMES = /^(output|out|y|dense|fc|linear|head)([_.:]?\d*)?$/i;
/** Names of other outputs, which are not scores. */
const OTHER_NAMES = /feature|embed|hidden|pool|attention|state|std|var(iance)?$|sigma|spread|uncertain|certain|confiden/i;

const RIGHT_COLUMNS = 20;
const UNKNOWN_COLUMNS = 8;
const OTHER_NAME = -6;
const LONE_COLUMN = -20;

/**
 * Which output holds the scores when the deployment does not say: among float outputs shaped like scores, prefer a column per class,
 * then a matching name, then the first.
 * @returns undefined when no output can hold scores.
 */
export function chooseOutput(outputs: readonly OutputSpec[], hints: OutputHints): OutputChoice | undefined {
  const rated = outputs.flatMap((output) => rate(output, hints) ?? []);
  // A column per class is strong evidence; a name is much weaker.
  const [best, ...others] = rated.toSorted((a, b) => b.rating - a.rating);
  if (best === undefined) return undefined;
  return {
    output: best.name,
    why: rated.length === 1 ? `${best.name} is the only output that can hold scores` : best.why,
    alternatives: others.filter(({ rating }) => best.rating - rating < RIGHT_COLUMNS / 2).map(({ name }) => name),
  };
}

function rate({ name, type, shape }: OutputSpec, hints: OutputHints): Rated | undefined {
  const { task, columns, certaintyOutput } = hints;
  if (name === certaintyOutput || !/^float(16|32|64)$/.test(type)) return undefined;
  // Trailing lengths that the file does not say may be 1.
  const [found = 1, ...rest] = (shape ?? [null]).filter((dimension) => dimension !== 1);
  if (rest.some((dimension) => dimension !== null)) return undefined;
  const named = rateName(name, hints);
  const rating = named + (OTHER_NAMES.test(name) ? OTHER_NAME : 0);
  const wanted = wantedColumns(task, columns);
  const noun = task === 'regression' ? 'values' : task === 'multi-label' ? 'labels' : 'classes';
  if (found !== null && wanted?.includes(found)) {
    const many =
      found === columns && found > 1 ? `a column for each of the ${found} ${noun}` : `${found} column${found === 1 ? '' : 's'}`;
    return { name, why: `${name} has ${many}`, rating: rating + RIGHT_COLUMNS };
  }
  // One column cannot distinguish several classes.
  if (found === 1 && task === 'classification')
    return { name, why: `${name} is the likeliest by its name`, rating: rating + LONE_COLUMN };
  // The data may lack samples of some classes.
  const fits = wanted === undefined || found === null || found > Math.max(...wanted);
  const why = named > 0 ? `${name} is the likeliest by its name` : `${name} is the first that can hold scores`;
  return { name, why, rating: rating + (fits ? UNKNOWN_COLUMNS : 0) };
}

/** Number of columns that scores would have; undefined: any. */
function wantedColumns(task: TaskName, columns: number | undefined): readonly number[] | undefined {
  if (task === 'binary') return [1, 2];
  return columns === undefined ? undefined : [columns];
}

function rateName(name: string, { task, scores }: OutputHints): number {
  if (task === 'regression' && VALUE_NAMES.test(name)) return 4;
  if (task !== 'regression' && SCORE_NAMES.test(name)) return KIND_NAMES[scores].test(name) ? 5 : 4;
  return PLAIN_NAMES.test(name) ? 2 : 0;
}
