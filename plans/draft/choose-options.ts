import { scoreColumns } from '../../engine/backend/choose-output.ts';
import type { TensorSpec } from '../../engine/tensor/tensor.ts';
import type { ScoreKind, TaskName } from '../domain/deployment/model-entry.ts';
import { chooseOutput, type OutputChoice } from '../domain/task/choose-output.ts';
import type { KnownClasses } from './class-names.ts';
import type { Section } from './commented-yaml.ts';
import type { FoundData } from './find-data.ts';
import type { FoundModel } from './find-models.ts';
import type { Trial, tryModels } from './try-models.ts';

/** The part of a draft about the models' answers, with reasons. */
export interface Options {
  /** For the family. */
  readonly sections: readonly Section[];
  /** For each model, if they differ. */
  readonly models: readonly Readonly<Record<string, unknown>>[];
}

/** Chooses task, classes, output and kind of scores from the graphs, the labels and a trial run of the models. */
export async function chooseOptions(
  models: readonly FoundModel[],
  specs: readonly TensorSpec[],
  data: FoundData | undefined,
  classes: KnownClasses | undefined,
  trial: typeof tryModels,
): Promise<Options> {
  const numbers = classes === undefined ? otherNumbers(models, data) : undefined;
  const columns = numbers?.length ?? columnsOf(data, classes);
  const task = chooseTask(models, data, columns);
  const choices = models.map(({ outputs }) => chooseOutput(outputs, { task: task.name, scores: 'logits', columns }));
  const trials =
    data === undefined
      ? []
      : await trial(
          models,
          choices.map((choice) => choice?.output),
          specs,
          data.samples,
        );
  const output = chooseOutputs(models, choices);
  const scores = task.name === 'regression' ? NOTHING : chooseScores(models, choices, trials);
  const sections = [
    task.section,
    numbers === undefined ? chooseClasses(data, classes) : classesOf(numbers),
    output.section,
    scores.section,
    ...task.more(choices),
    allowNaN(data),
    ...explainLengths(specs),
  ];
  return { sections, models: models.map((_, m) => ({ ...output.models[m], ...scores.models[m] })) };
}

/** An option for the family, or for each model if they differ. */
interface PerModel {
  readonly section: Section;
  readonly models: readonly Readonly<Record<string, unknown>>[];
}

const NONE: Section = { comments: [], value: {} };
const NOTHING: PerModel = { section: NONE, models: [] };

/** Number of score columns, as far as names and labels tell. */
function columnsOf(data: FoundData | undefined, classes: KnownClasses | undefined): number | undefined {
  const targets = data?.samples.targets;
  if (data?.task === 'multi-label' || data?.task === 'regression') return targets?.width;
  const named = classes?.names.length ?? targets?.classes?.length;
  return named ?? (targets === undefined ? undefined : 1 + maxOf(targets.values));
}

/** The labels, in order, if they are other numbers than 0, 1, 2 ... and the models have a column for each. */
function otherNumbers(models: readonly FoundModel[], data: FoundData | undefined): readonly number[] | undefined {
  const targets = data?.samples.targets;
  if (data?.numbers !== undefined) return data.numbers;
  if (data?.task !== 'classification' || targets === undefined || targets.classes !== undefined) return undefined;
  const numbers = [...new Set(targets.values)].sort((a, b) => a - b);
  const most = numbers[numbers.length - 1];
  const haveColumns = (count: number): boolean =>
    models.every(({ outputs }) => outputs.some(({ shape }) => shape !== undefined && scoreColumns(shape) === count));
  const { length } = numbers;
  if (length < 2 || most === length - 1 || haveColumns(most + 1)) return undefined;
  return haveColumns(length) || (length === 2 && haveOneColumn(models)) ? numbers : undefined;
}

function classesOf(numbers: readonly number[]): Section {
  return {
    comments: [
      'The labels are other numbers than 0, 1, 2 ...: they name the classes, sorted here. The order must be that of the scores.',
    ],
    value: { classes: numbers },
  };
}

function maxOf(values: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, values[i]);
  return most;
}

interface TaskChoice {
  readonly name: TaskName;
  readonly section: Section;
  /** Options that only this task has. */
  readonly more: (choices: readonly (OutputChoice | undefined)[]) => readonly Section[];
}

function chooseTask(models: readonly FoundModel[], data: FoundData | undefined, columns: number | undefined): TaskChoice {
  const none = (): readonly Section[] => [];
  if (data?.task === 'multi-label') {
    return {
      name: 'multi-label',
      section: { comments: ['The labels of a sample are several 0s and 1s.'], value: { task: 'multi-label' } },
      more: none,
    };
  }
  if (data?.task === 'regression') {
    const section = { comments: ['The labels are values, not classes.'], value: { task: 'regression' } };
    return { name: 'regression', section, more: ([choice]) => [regressionOptions(models, data, choice?.output)] };
  }
  if (haveOneColumn(models, columns) && (columns ?? 2) <= 2) {
    const comments = ['The models give one number per sample, and the labels are 0 and 1: the score of class 1.'];
    return { name: 'binary', section: { comments, value: { task: 'binary' } }, more: none };
  }
  return { name: 'classification', section: NONE, more: none };
}

/** Whether the models give one number per sample. @param columns of class scores, if known. */
export function haveOneColumn(models: readonly FoundModel[], columns?: number): boolean {
  return models.every(({ outputs }) => {
    const choice = chooseOutput(outputs, { task: 'classification', scores: 'logits', columns });
    const shape = outputs.find(({ name }) => name === choice?.output)?.shape;
    return shape?.every((dimension) => dimension === 1) === true;
  });
}

/**
 * A twentieth of the range of the values is a guess that shows the unit.
 * @param value output that holds the values.
 */
function regressionOptions(models: readonly FoundModel[], data: FoundData, value: string | undefined): Section {
  const values = data.samples.targets?.values ?? [];
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) [least, most] = [Math.min(least, value), Math.max(most, value)];
  const tolerance = Number(((most - least) / 20).toPrecision(2));
  const names = models[0].outputs.map(({ name }) => name);
  const unsure = names.find(
    (name) => name !== value && /std|var(iance)?$|sigma|uncertain|certain|confiden|members?|spread/i.test(name),
  );
  return {
    comments: [
      'Largest error of a right answer: here, a twentieth of the range of the labels.',
      `Certainty has to come from the models: an output that holds it, or one with a column per member of an ensemble ({ spread: NAME }). Their outputs are ${names.join(', ')}.`,
    ],
    value: {
      tolerance,
      certainty: unsure !== undefined && /members?|spread/i.test(unsure) ? { spread: unsure } : { output: unsure ?? 'NAME' },
    },
  };
}

function chooseClasses(data: FoundData | undefined, classes: KnownClasses | undefined): Section {
  if (classes !== undefined) {
    return {
      comments: [`Class names in the order of the scores, from ${classes.source}.`],
      value: classes.inModels ? {} : { classes: classes.names },
    };
  }
  const names = data?.samples.targets?.classes;
  if (names === undefined) return NONE;
  if (names.length < 2) {
    const todo = 'Correct the labels, or name the classes in the order of the scores: `classes: [cat, dog]`.';
    return {
      comments: [`The labels are names, but all of them are ${names[0]}, so \`classes\` is left out. ${todo}`],
      value: {},
    };
  }
  return {
    comments: ['The labels are names, sorted here by their characters. The order must be that of the scores.'],
    value: { classes: names },
  };
}

function chooseOutputs(models: readonly FoundModel[], choices: readonly (OutputChoice | undefined)[]): PerModel {
  const [first] = choices;
  const open = [...new Set(choices.flatMap((choice) => choice?.alternatives ?? []))];
  if (first === undefined || open.length === 0) return NOTHING;
  const comments = [
    `Of several outputs, ${first.why}, so it is read as the scores; ${open.join(', ')} ${open.length === 1 ? 'is' : 'are'} also possible.`,
  ];
  if (choices.every((choice) => choice?.output === first.output))
    return { section: { comments, value: { output: first.output } }, models: [] };
  return { section: { comments, value: {} }, models: models.map((_, m) => ({ output: choices[m]?.output })) };
}

function chooseScores(
  models: readonly FoundModel[],
  choices: readonly (OutputChoice | undefined)[],
  trials: readonly Trial[],
): PerModel {
  const comments: string[] = [];
  const kinds = models.map(({ name }, m): ScoreKind => {
    const trial = trials[m];
    if (trial?.type === 'scores') return trial.kind;
    if (trial !== undefined) comments.push(`${name} failed on samples of the data: ${trial.reason.trim()}`);
    return /prob|softmax|sigmoid/i.test(choices[m]?.output ?? '') ? 'probabilities' : 'logits';
  });
  const tried = trials.some(({ type }) => type === 'scores');
  const by = tried ? 'judging by the scores of some samples' : 'judging by the names of the outputs';
  if (new Set(kinds).size === 1) {
    const what =
      kinds[0] === 'logits'
        ? 'are not all between 0 and 1, so they are logits'
        : 'are between 0 and 1, so they are probabilities';
    comments.push(tried ? `The scores for some samples ${what}.` : `${kinds[0]}, judging by the names of the outputs.`);
    return { section: { comments, value: { scores: kinds[0] } }, models: [] };
  }
  comments.push(`Some models output probabilities, others logits, ${by}: each one declares \`scores\`.`);
  return { section: { comments, value: {} }, models: kinds.map((scores) => ({ scores })) };
}

function allowNaN(data: FoundData | undefined): Section {
  const names = data?.withNaN ?? [];
  if (names.length === 0) return NONE;
  return {
    comments: [
      `Samples hold NaN in ${names.join(' and ')}: missing values, which tree models accept. Other models answer NaN for them.`,
    ],
    value: { inputs: Object.fromEntries(names.map((name) => [name, { nan: 'allow' }])) },
  };
}

function explainLengths(specs: readonly TensorSpec[]): readonly Section[] {
  const ragged = specs.filter((spec) => spec.shape.includes(null)).map((spec) => spec.name);
  if (ragged.length === 0) return [];
  return [
    {
      value: {},
      comments: [
        `Samples of ${ragged.join(' and ')} differ in length, and only samples of equal shape share a batch. If the models ignore padding, thanks to a mask or a padding value, declare it so that more of them do:`,
        `inputs: { ${ragged[0]}: { pad: 0 } }`,
      ],
    },
  ];
}
