import { existsSync } from 'node:fs';
import { firstValueFrom } from 'rxjs';
import { createOnnxBackend } from '../../engine/backend/onnx-backend.ts';
import { readModelInterface } from '../../engine/backend/onnx-file.ts';
import { describeSpec, type TensorSpec } from '../../engine/tensor/tensor.ts';
import type { LabelledData } from '../../plans/data/labelled-data.ts';
import { deploymentInputs, loadLabelledData } from '../../plans/data/load-labelled-data.ts';
import { splitMember } from '../../plans/data/member-path.ts';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';
import { isOnServersOnly } from '../../plans/domain/deployment/model-entry.ts';
import { displayPath } from '../../plans/domain/deployment/shown.ts';
import { shortDigest } from '../../plans/domain/gear-plan/gear-plan.ts';
import { modelDigest } from '../../plans/domain/profile/file-digest.ts';
import { familyOutputs, type ModelOutputs } from '../../plans/domain/task/family-outputs.ts';
import { auxiliaryOf } from '../../plans/domain/task/task-of.ts';
import { counted } from '../../plans/explain/format.ts';
import { type AnswerColumns, commonColumns } from '../../plans/profiling/common-columns.ts';
import { checkServers, columnsOf, outputsOnServers } from './check-remote.ts';
import { type Finding, Findings } from './finding.ts';

/** Checks the models individually, together, and with the data: each is loaded and run on one sample. */
export async function checkModelsAndData(
  deployment: Deployment,
): Promise<{ readonly findings: readonly Finding[]; readonly data?: LabelledData | undefined }> {
  const models = new Findings('models');
  const specs = await checkFiles(deployment, models);
  // Missing files have already been reported with the configuration.
  if (specs === undefined || !filesOf(deployment.data).every((file) => existsSync(splitMember(file).file)))
    return { findings: models.list };
  const data = new Findings('data');
  const labelled = await data.attempt(() => loadLabelledData(deployment, specs));
  if (labelled !== undefined) {
    describeData(deployment, labelled, data);
    if (deployment.synthetic === undefined) await runModels(deployment, labelled, models);
  }
  return { findings: [...models.list, ...data.list], data: labelled };
}

function filesOf(data: Deployment['data']): readonly string[] {
  if (data === undefined) return [];
  const inputs = typeof data.inputs === 'string' ? [data.inputs] : Object.values(data.inputs);
  const quality = typeof data.quality === 'object' ? Object.values(data.quality) : [data.quality];
  return [...inputs, data.labels, ...quality].filter((file) => file !== undefined);
}

/** @returns the inputs of the family, if all models can be read and agree. */
async function checkFiles(deployment: Deployment, models: Findings): Promise<readonly TensorSpec[] | undefined> {
  if (deployment.synthetic !== undefined) {
    models.ok(counted(deployment.models.length, 'made-up model'));
    return deploymentInputs(deployment);
  }
  const present = deployment.models.filter(({ file }) => existsSync(file));
  const onServers = deployment.models.filter(isOnServersOnly).length;
  let readable = 0;
  for (const { name, file, inputs: renamed } of present) {
    await models.attempt(() => {
      const { inputs } = readModelInterface(file, deployment.inputs, renamed);
      const takes = inputs.map((spec) => `${spec.name} ${describeSpec(spec)}`).join(', ');
      models.ok(`${name} (${displayPath(file)}, ${shortDigest(modelDigest(file))}) takes ${takes}`);
      readable++;
    });
  }
  return readable + onServers < deployment.models.length ? undefined : models.attempt(() => deploymentInputs(deployment));
}

function describeData(
  { task }: Deployment,
  { count, labels, targetWidth, validation, load }: LabelledData,
  data: Findings,
): void {
  if (task !== 'custom' && targetWidth === undefined && labels === undefined)
    data.problem('data.labels: is missing; `cascade profile` needs labels: name a .npy file, or label each JSON line');
  else data.ok(`${count} samples: ${validation.length} for profiling and planning, ${load.length} for load tests`);
}

async function runModels(deployment: Deployment, data: LabelledData, models: Findings): Promise<void> {
  const onServers = await outputsOnServers(deployment, data, models);
  if (onServers === undefined) return;
  const outputs = await models.attempt(() => familyOutputs(deployment, data, onServers));
  if (outputs === undefined) return;
  const answered = new Map(await checkServers(deployment, data, outputs, models));
  if (!deployment.models.every(isOnServersOnly)) await runLocally(deployment, data, outputs, models, answered);
  const answering = deployment.models.filter(({ name }) => answered.has(name));
  if (answering.length === 0) return;
  const columns = answering.map(({ name }) => answered.get(name)!);
  // The rule of `profile`, which would otherwise refuse only after measuring.
  await models.attempt(() => commonColumns({ ...deployment, models: answering }, columns, data));
}

/** @param answered gets the columns of each model that answers. */
async function runLocally(
  deployment: Deployment,
  data: LabelledData,
  outputs: readonly ModelOutputs[],
  models: Findings,
  answered: Map<string, AnswerColumns>,
): Promise<void> {
  const auxiliary = auxiliaryOf(deployment);
  const backend = createOnnxBackend({ kind: 'cpu', threads: 1, inputs: deployment.inputs, specs: data.specs, auxiliary });
  const sample = data.sample(data.validation[0]);
  let good = 0;
  try {
    for (const [m, model] of deployment.models.entries()) {
      if (isOnServersOnly(model)) continue;
      await models.attempt(async () => {
        await firstValueFrom(backend.load({ ...model, output: outputs[m].output }));
        answered.set(model.name, columnsOf(await firstValueFrom(backend.run(model.name, [sample]))));
        await firstValueFrom(backend.unload(model.name));
        good++;
      });
    }
  } finally {
    await backend.close();
  }
  if (good === deployment.models.filter((model) => !isOnServersOnly(model)).length)
    models.ok('each answers a sample of the data');
}
