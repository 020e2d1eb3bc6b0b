import type { OutputSpec } from '../../../engine/backend/backend.ts';
import { chooseScores } from '../../../engine/backend/choose-output.ts';
import { readModelInterface } from '../../../engine/backend/onnx-file.ts';
import { forAll } from '../../../engine/errors.ts';
import type { LabelledData } from '../../data/labelled-data.ts';
import type { Deployment } from '../deployment/deployment.ts';
import { isOnServersOnly, type ModelEntry } from '../deployment/model-entry.ts';
import { chooseOutput, type OutputChoice } from './choose-output.ts';
import { certaintyOutputOf } from './task-of.ts';

/** What is read from a model. */
export interface ModelOutputs {
  /** Holds the scores; undefined: leave it to the backend, which says what is wrong if there is none. */
  readonly output: string | undefined;
  /** Why it was chosen, if the deployment does not name it. */
  readonly choice: OutputChoice | undefined;
  /** Names of all outputs. */
  readonly all: readonly string[];
}

/**
 * Which output of each model holds the scores.
 * @param onServers outputs of the models that have no file here, as their servers say.
 * @throws ConfigError when an output named in the deployment does not exist, or does not hold floats.
 */
export function familyOutputs(
  deployment: Deployment,
  data: LabelledData,
  onServers: ReadonlyMap<string, readonly OutputSpec[]> = new Map(),
): ModelOutputs[] {
  return forAll(deployment.models, (model) => {
    const outputs = onServers.get(model.name) ?? readModelInterface(model.file, deployment.inputs, model.inputs).outputs;
    // The server does not declare the outputs: use the one that the deployment names, or leave it to the backend.
    if (outputs.length === 0)
      return { output: model.remote?.output ?? model.output ?? deployment.output, choice: undefined, all: [] };
    return { ...outputOf(deployment, model, outputs, columnsOf(data)), all: outputs.map(({ name }) => name) };
  });
}

function outputOf(
  deployment: Deployment,
  model: ModelEntry,
  outputs: readonly OutputSpec[],
  columns: number | undefined,
): Pick<ModelOutputs, 'output' | 'choice'> {
  const certaintyOutput = certaintyOutputOf(deployment);
  const remoteOutput = isOnServersOnly(model) ? model.remote?.output : undefined;
  const named = remoteOutput ?? model.output ?? deployment.output ?? (deployment.task === 'custom' ? certaintyOutput : undefined);
  if (named !== undefined) return { output: chooseScores(model.file, outputs, { output: named }).name, choice: undefined };
  const scores = model.scores ?? deployment.scores;
  const choice = chooseOutput(outputs, { task: deployment.task, scores, columns, certaintyOutput });
  return { output: choice?.output, choice };
}

/** Minimum number of score columns, as far as names and labels tell. */
function columnsOf({ classes, labels, targetWidth }: LabelledData): number | undefined {
  if (classes !== undefined) return classes.length;
  return labels === undefined ? targetWidth : 1 + labels.reduce((most, label) => Math.max(most, label), 0);
}
