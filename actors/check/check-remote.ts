import { firstValueFrom } from 'rxjs';
import type { BatchOutput, OutputSpec } from '../../engine/backend/backend.ts';
import { OipError } from '../../engine/oip/oip-client.ts';
import type { LabelledData } from '../../plans/data/labelled-data.ts';
import type { Deployment, RemoteDevice } from '../../plans/domain/deployment/deployment.ts';
import { openRemote } from '../../plans/domain/deployment/open-remote.ts';
import type { ModelOutputs } from '../../plans/domain/task/family-outputs.ts';
import type { AnswerColumns } from '../../plans/profiling/common-columns.ts';
import { remoteOutputs } from '../../plans/profiling/remote-outputs.ts';
import { targetBackend } from '../../plans/profiling/target-backend.ts';
import type { Findings } from './finding.ts';

/** The outputs of models that only servers have; undefined if a server could not be reached, which is reported as a finding. */
export function outputsOnServers(
  deployment: Deployment,
  { specs }: LabelledData,
  models: Findings,
): Promise<ReadonlyMap<string, readonly OutputSpec[]> | undefined> {
  return models.attempt(() => remoteOutputs(deployment, specs));
}

/**
 * Checks the servers behind remote devices: sends one sample to each of their models.
 * @returns the columns of the answers, by model.
 */
export async function checkServers(
  deployment: Deployment,
  data: LabelledData,
  outputs: readonly ModelOutputs[],
  models: Findings,
): Promise<ReadonlyMap<string, AnswerColumns>> {
  const answered = new Map<string, AnswerColumns>();
  const servers = deployment.devices.filter((device): device is RemoteDevice => device.kind === 'remote');
  const sample = data.sample(data.validation[0]);
  for (const server of servers) {
    const name = await nameOf(server);
    for (const [m, model] of deployment.models.entries()) {
      if (!server.models.includes(model.name)) continue;
      await models.attempt(async () => {
        const backend = targetBackend(deployment, server, data.specs);
        try {
          await firstValueFrom(backend.load({ ...model, output: outputs[m].output }));
          answered.set(model.name, columnsOf(await firstValueFrom(backend.run(model.name, [sample]))));
        } finally {
          await backend.close();
        }
        models.ok(
          `device ${server.id}: ${name} at ${server.url} has ${model.name} (${model.remote?.name}), which answers a sample of the data`,
        );
      });
    }
  }
  return answered;
}

/** Columns of the answer to one sample. */
export function columnsOf({ classes, auxiliary }: BatchOutput): AnswerColumns {
  return { columns: classes, certaintyColumns: auxiliary?.length };
}

/** The name that a server reports. If it does not answer, the checks of its models report why. */
async function nameOf(server: RemoteDevice): Promise<string> {
  const client = openRemote(server);
  try {
    return await client.serverName();
  } catch (error) {
    if (error instanceof OipError) return 'a server';
    throw error;
  } finally {
    client.close();
  }
}
