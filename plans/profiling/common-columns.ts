import { ConfigError } from '../../engine/errors.ts';
import type { LabelledData } from '../data/labelled-data.ts';
import type { Deployment } from '../domain/deployment/deployment.ts';
import { shown } from '../domain/deployment/shown.ts';
import type { ModelAnswers } from './measure-device.ts';

/** Most class names in a message. */
const MAX_NAMES = 12;

/** Columns of what a model has answered. */
export type AnswerColumns = Pick<ModelAnswers, 'columns' | 'certaintyColumns'>;

/**
 * Number of classes, labels or values of a family.
 * @param answers of each of its models.
 * @throws ConfigError when its models, its data and its class names disagree.
 */
export function commonColumns(
  deployment: Pick<Deployment, 'models' | 'certainty' | 'task' | 'file' | 'classes'>,
  answers: readonly AnswerColumns[],
  data: Pick<LabelledData, 'classes' | 'labels' | 'targetWidth'>,
): number {
  const { models, certainty, task, file } = deployment;
  const wide = answers.findIndex(({ certaintyColumns = 1 }) => certaintyColumns !== 1);
  if (typeof certainty === 'object' && 'output' in certainty && wide !== -1) {
    throw new ConfigError(
      `${file}: certainty.output: ${certainty.output} of model ${models[wide].name} has ${answers[wide].certaintyColumns} columns; expected one certainty per sample, or write { spread: ${certainty.output} } for an ensemble`,
    );
  }
  if (task === 'custom') return 1;
  const columns = task === 'binary' ? binaryColumns(deployment, answers) : equalColumns(deployment, answers);
  const { classes, labels, targetWidth } = data;
  if (classes !== undefined && classes.length !== columns) {
    const names = `${classes.slice(0, MAX_NAMES).map(shown).join(', ')}${classes.length > MAX_NAMES ? ' ...' : ''}`;
    const said =
      deployment.classes === undefined
        ? `data.labels: without \`classes\`, the labels or the models name ${classes.length} classes: ${names}`
        : `classes: names ${classes.length} classes`;
    throw new ConfigError(`${file}: ${said}, but the models output ${columns} class scores`);
  }
  if (task === 'classification' && columns < 2) {
    throw new ConfigError(
      `${file}: the models output ${columns} class score; a cascade needs at least 2 classes: write \`task: binary\` if it is the score of class 1, or \`task: regression\` if it is a value`,
    );
  }
  if (targetWidth !== undefined && labels === undefined && targetWidth !== columns) {
    throw new ConfigError(`${file}: data.labels: has ${targetWidth} columns, but the models output ${columns}`);
  }
  const stray = labels?.findIndex((label) => label >= columns) ?? -1;
  if (labels !== undefined && stray !== -1) {
    throw new ConfigError(
      `${file}: data.labels: label ${stray} is ${labels[stray]}; the models have classes 0 to ${columns - 1}. If labels are other numbers, name them in the order of the scores, such as \`classes: [3, 7, 9]\``,
    );
  }
  return columns;
}

function binaryColumns({ models, file }: Pick<Deployment, 'models' | 'file'>, answers: readonly AnswerColumns[]): number {
  const other = answers.findIndex(({ columns }) => columns > 2);
  if (other === -1) return 2;
  throw new ConfigError(
    `${file}: task: model ${models[other].name} outputs ${answers[other].columns} scores; task binary needs one or two columns`,
  );
}

function equalColumns({ models, file }: Pick<Deployment, 'models' | 'file'>, answers: readonly AnswerColumns[]): number {
  const { columns } = answers[0];
  const other = answers.findIndex((answer) => answer.columns !== columns);
  if (other === -1) return columns;
  throw new ConfigError(
    `${file}: model ${models[other].name} outputs ${answers[other].columns} class scores, but model ${models[0].name} outputs ${columns}; models of a family must share their classes`,
  );
}
