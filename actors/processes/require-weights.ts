import { lastValueFrom } from 'rxjs';
import type { Bus } from '../../engine/bus/bus.ts';
import { WeightsMissingError } from '../../engine/errors.ts';
import type { Device } from '../../plans/domain/deployment/deployment.ts';
import { plannedWeights } from '../device/weights/planned-weights.ts';
import type { RevisedPlan } from '../frontend/router.ts';
import { compileRevision, initialPlan, type ServingContext } from './serving-context.ts';

/**
 * For commands that start devices. A device that restarts later stays out and reports missing models, but when it is started for the
 * first time, missing models are a configuration error.
 * @throws WeightsMissingError when the weights are available neither for the plan in force nor for the plan's file, which may take effect
 *   next.
 */
export async function requireWeights(serving: ServingContext, devices: readonly Device[], bus: Bus): Promise<void> {
  const start = await initialPlan(serving, bus);
  try {
    await findAll(serving, devices, compileRevision(serving, start));
  } catch (error) {
    if (!(error instanceof WeightsMissingError)) throw error;
    serving.log.warn({ revision: start.revision, reason: error.message }, 'the plan in force cannot be served here');
    await findAll(serving, devices, compileRevision(serving, { revision: start.revision, plan: serving.plan }));
  }
}

/** Also makes the copies, once for all devices. */
async function findAll(
  { deployment, profile, log }: ServingContext,
  devices: readonly Device[],
  { plan }: RevisedPlan,
): Promise<void> {
  for (const device of devices) {
    const number = plan.devices.indexOf(device.id);
    const weights = plannedWeights(deployment, profile, device, log)(plan);
    const placed = weights.filter((_, model) => plan.placed[model * plan.devices.length + number] === 1);
    for (const { file$ } of placed) await lastValueFrom(file$);
  }
}
