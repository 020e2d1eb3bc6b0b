import { cpus } from 'node:os';
import { ConfigError } from '../../engine/errors.ts';
import type { Deployment, Device } from '../deployment.ts';

/** @throws ConfigError when a device is pinned to a core that this machine does not have. */
export function requireLocalCores({ file }: Pick<Deployment, 'file'>, device: Device): void {
  const count = cpus().length;
  const missing = device.kind === 'cpu' ? device.cores?.find((core) => core >= count) : undefined;
  if (missing === undefined) return;
  throw new ConfigError(
    `${file}: device ${device.id}: cores: ${missing} does not exist here; this machine has cores 0 to ${count - 1}`,
  );
}
