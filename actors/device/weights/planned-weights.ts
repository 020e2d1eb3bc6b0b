import { defer, map, type Observable, of } from 'rxjs';
import type { ModelFile } from '../../../engine/backend/backend.ts';
import { ConfigError, WeightsMissingError } from '../../../engine/errors.ts';
import type { Logger } from '../../../engine/log.ts';
import { type Deployment, type Device, deviceClass } from '../../../plans/domain/deployment/deployment.ts';
import { shortDigest } from '../../../plans/domain/gear-plan/gear-plan.ts';
import type { Profile } from '../../../plans/domain/profile/profile.ts';
import type { CompiledPlan } from '../../../plans/policy/compiled-plan.ts';
import type { DeviceWeights, WeightsOf } from './device-weights.ts';
import type { FoundWeights } from './model-store.ts';
import { findWeights } from './store-thread.ts';

/** How a device of a deployment runs the models of plans: runtimes for its kind, and files from the store or the disk. */
export function plannedWeights(deployment: Deployment, profile: Profile, device: Device, log: Logger): WeightsOf {
  const kind = deviceClass(device);
  return ({ models, weights }: CompiledPlan) =>
    models.map((model, m): DeviceWeights => {
      const planned = weights[m];
      // A model that is not placed here never runs, so any times will do.
      const profiled = planned?.runtimes[kind] ?? Object.values(planned?.runtimes ?? {})[0];
      if (planned === undefined || profiled === undefined)
        throw new ConfigError(
          `the plan has no runtimes of ${model} on ${kind}; run \`cascade profile\` and \`cascade plan\` again`,
        );
      const { digest, memoryBytes, certaintyEdges, accuracy, output } = planned;
      const key = `${model}@${digest}`;
      const entry = { ...deployment.models.find(({ name }) => name === model)!, key };
      const file$: Observable<ModelFile> =
        device.kind === 'emulated'
          ? defer(() => of(recorded(entry, digest)))
          : device.kind === 'remote'
            ? // The server has its own weights; nobody else can tell which.
              of({ ...entry, output: output ?? entry.output })
            : defer(() =>
                findWeights({ folder: deployment.dir, deployment: deployment.name, model, file: entry.file, digest }),
              ).pipe(map((found) => ({ ...entry, output: output ?? entry.output, file: warnIfUncopied(model, found).file })));
      return { model, key, memoryBytes, profiled, certaintyEdges, accuracy, file$ };
    });

  function warnIfUncopied(model: string, found: FoundWeights): FoundWeights {
    if (found.uncopied !== undefined)
      log.warn(
        { model, reason: found.uncopied },
        'no copy of the model is kept: once its file is replaced, a restart will not find the weights that the plan names',
      );
    return found;
  }

  /** Emulated devices have no weights, only the answers in the profile that they started with. */
  function recorded(entry: ModelFile, digest: string): ModelFile {
    const known = profile.models.find(({ name }) => name === entry.name)?.digest;
    if (known === digest) return entry;
    throw new WeightsMissingError(
      `the plan names weights of model ${entry.name} with digest ${shortDigest(digest)}, but this emulated device answers from the ` +
        `profile of ${known === undefined ? 'none' : shortDigest(known)}; start it again with the profile of that plan`,
    );
  }
}
