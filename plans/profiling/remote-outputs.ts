import { firstValueFrom } from 'rxjs';
import type { OutputSpec } from '../../engine/backend/backend.ts';
import type { TensorSpec } from '../../engine/tensor/tensor.ts';
import type { Deployment, RemoteDevice } from '../domain/deployment/deployment.ts';
import { isOnServersOnly } from '../domain/deployment/model-entry.ts';
import { targetBackend } from './target-backend.ts';

/**
 * Outputs of the models that are on servers only, as their servers say: by the name of the model.
 * @throws ConfigError when a server cannot be reached, or has no such model, or one that takes something else.
 */
export async function remoteOutputs(
  deployment: Deployment,
  specs: readonly TensorSpec[],
): Promise<ReadonlyMap<string, readonly OutputSpec[]>> {
  const found = new Map<string, readonly OutputSpec[]>();
  for (const model of deployment.models.filter(isOnServersOnly)) {
    const server = deployment.devices.find(
      (device): device is RemoteDevice => device.kind === 'remote' && device.models.includes(model.name),
    );
    if (server === undefined) throw new Error(`no device has model ${model.name}`);
    // Which output holds the scores is chosen when all are known.
    const backend = targetBackend({ ...deployment, certainty: 'margin' }, server, specs);
    try {
      found.set(model.name, (await firstValueFrom(backend.load({ ...model, output: undefined }))).outputs);
    } finally {
      await backend.close();
    }
  }
  return found;
}
