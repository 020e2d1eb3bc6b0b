import { lastValueFrom } from 'rxjs';
import type { Bus } from '../../engine/bus/bus.ts';
import { WeightsMissingError } from '../../engine/errors.ts';
import type { Device } from '../../plans/domain/deployment/deployment.ts';
import { plannedWeights } from '../device/weights/planned-weights.ts';
import type { RevisedPlan } from '../frontend/router.ts';
import { compileRevision, initialPlan, type ServingContext } from './serving-context.ts';

/**
 * For whoever starts devices: a device that has to restart later stays out and says so, but one that is started for the first time
 * without its models is a wrong configuration.
 * @throws WeightsMissingError when the devices can have the weights neither of the plan in force nor of the plan's file, which may
 *   come into force next.
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

/** Copies are made meanwhile, once for all devices. */
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
