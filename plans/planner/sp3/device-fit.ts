import type { PlanningContext } from '../cycle/planning-context.ts';

/** Whether a device can run a model and hold it alone. */
export function fits(model: number, device: number, context: PlanningContext): boolean {
  const { profile, devices } = context.request;
  return context.costs.canRun(model, device) && profile.models[model].memoryBytes <= devices[device].memoryBytes;
}

/** Every model in use on every device that can run it and hold it alone (CascadeServe §4.1: may overflow memory). */
export function everywhere(models: readonly number[], context: PlanningContext): Uint8Array {
  const placed = new Uint8Array(context.models * context.devices);
  for (const model of models) {
    for (let d = 0; d < context.devices; d++) if (fits(model, d, context)) placed[model * context.devices + d] = 1;
  }
  return placed;
}

/** Whether each device's memory holds the replicas placed on it. */
export function memoryHolds(placed: Uint8Array, context: PlanningContext): boolean {
  const { profile, devices } = context.request;
  return devices.every((device, d) => {
    const used = profile.models.reduce((sum, model, m) => sum + placed[m * devices.length + d] * model.memoryBytes, 0);
    return used <= device.memoryBytes;
  });
}
