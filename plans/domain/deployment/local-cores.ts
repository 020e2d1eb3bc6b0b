import { ConfigError } from '../../../engine/errors.ts';
import { usableCores } from '../../../engine/process/usable-cores.ts';
import type { Deployment, Device } from './deployment.ts';

/** @throws ConfigError when a device is pinned to a core that this process may not run on. */
export function requireLocalCores(
  { file }: Pick<Deployment, 'file'>,
  device: Device,
  usable: readonly number[] = usableCores(),
): void {
  const missing = device.kind === 'cpu' ? device.cores?.find((core) => !usable.includes(core)) : undefined;
  if (missing === undefined) return;
  throw new ConfigError(
    `${file}: device ${device.id}: cores: ${missing} is not available here; this process may use ${usable.length === 1 ? 'core' : 'cores'} ${usable.join(', ')}`,
  );
}
