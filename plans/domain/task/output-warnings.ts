import type { ModelAnswers } from '../../profiling/measure-device.ts';
import type { Deployment } from '../deployment/deployment.ts';
import type { ModelEntry } from '../deployment/model-entry.ts';
import type { ModelOutputs } from './family-outputs.ts';

/** Probabilities may add up to slightly more than 1, like a forest's votes. */
const ROUNDING = 1e-3;

/** Model outputs that are allowed, but probably not intended. @param labels of the validation samples; undefined without classes. */
export function outputWarnings(
  deployment: Deployment,
  model: ModelEntry,
  { output, choice }: ModelOutputs,
  answers: ModelAnswers,
  labels: Int32Array | undefined,
): string[] {
  const samples = answers.quality.length;
  const where = `model ${model.name}`;
  const named = output === undefined ? 'its scores' : `output ${output}`;
  const warnings: string[] = [];
  if (choice !== undefined && choice.alternatives.length > 0)
    warnings.push(
      `${where}: ${choice.why}, so it is read as the scores; ${choice.alternatives.join(', ')} are also possible: name one with \`output: NAME\``,
    );
  if (answers.noNumbers > 0)
    warnings.push(
      `${where} answered NaN for ${answers.noNumbers} of ${samples} validation samples; such answers are never certain and count as wrong`,
    );
  if (labels !== undefined) {
    const seen = counts(labels);
    const commonest = [...seen.values()].reduce((a, b) => Math.max(a, b)) / samples;
    const accuracy = answers.quality.reduce((sum, value) => sum + value, 0) / samples;
    if (accuracy <= commonest && seen.size > 1)
      warnings.push(
        `${where} is right on ${percent(accuracy)} of the validation samples; always answering the most common class would be right on ${percent(commonest)}: check that ${named} holds the scores and that the classes are in their order`,
      );
    if (deployment.classes === undefined && deployment.task === 'classification' && answers.columns > seen.size)
      warnings.push(
        `${where}: ${named} has ${answers.columns} columns, but the labels have ${seen.size} ${seen.size === 1 ? 'class' : 'classes'}; check that it holds the scores`,
      );
  }
  const kind = answers.noNumbers === samples ? undefined : kindWarning(deployment, model, answers);
  return kind === undefined ? warnings : [...warnings, `${where}: ${kind}`];
}

function kindWarning({ task, certainty, scores }: Deployment, model: ModelEntry, answers: ModelAnswers): string | undefined {
  if (task === 'regression' || task === 'custom') return undefined;
  const declared = model.scores ?? scores;
  const perColumn = task === 'multi-label' || answers.columns === 1;
  // The highest score decides between classes on any scale; a threshold at one half does not work on any scale.
  if (!perColumn && typeof certainty !== 'string') return undefined;
  const sum = answers.rowSum;
  const looksLikeProbabilities = perColumn ? answers.unit : sum !== undefined && Math.abs(sum - 1) <= ROUNDING;
  if (declared === 'logits' && looksLikeProbabilities)
    return perColumn
      ? 'all scores are from 0 to 1, like probabilities; write `scores: probabilities`, otherwise every score above 0 counts as yes'
      : 'all scores look like probabilities; write `scores: probabilities`, otherwise softmax is applied to them again';
  if (declared === 'logits' && !perColumn && sum !== undefined)
    return `the scores of each sample add up to ${Number(sum.toPrecision(3))}, like percentages or votes: they are neither logits nor probabilities, and certainties from them say little; divide them by ${Number(sum.toPrecision(3))} in the graph and write \`scores: probabilities\``;
  if (declared === 'probabilities' && !looksLikeProbabilities)
    return `the scores are not probabilities: ${perColumn ? 'some are not from 0 to 1' : 'not all rows are from 0 to 1 and sum to 1'}; write \`scores: logits\` if they are logits`;
  return undefined;
}

function counts(labels: Int32Array): Map<number, number> {
  const seen = new Map<number, number>();
  for (const label of labels) seen.set(label, (seen.get(label) ?? 0) + 1);
  return seen;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
