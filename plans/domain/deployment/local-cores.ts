import { ConfigError } from '../../../engine/errors.ts';
import { usableCores } from '../../../engine/process/usable-cores.ts';
import type { Deployment, Device } from './deployment.ts';
import { displayPath } from './shown.ts';

/** @throws ConfigError when there are none. */
export function devicesOfHost({ devices }: Pick<Deployment, 'devices'>, host: string): readonly Device[] {
  const here = devices.filter((device) => device.host === host);
  if (here.length > 0) return here;
  const hosts = [...new Set(devices.map((device) => device.host))].join(', ');
  throw new ConfigError(`--host ${host}: the deployment has no devices on this host; its devices are on ${hosts}`);
}

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

/** Warnings about devices that share a core or a GPU: a plan counts on each of them as if it were alone. */
export function sharingWarnings({ file, devices }: Pick<Deployment, 'file' | 'devices'>): string[] {
  const warnings: string[] = [];
  const users = new Map<string, Device>();
  const claim = (device: Device, unit: string, told: string): void => {
    const key = `${device.host} ${unit}`;
    const other = users.get(key);
    if (other !== undefined)
      warnings.push(`${displayPath(file)}: devices ${other.id} and ${device.id} are both ${told}: each slows the other down`);
    users.set(key, device);
  };
  for (const device of devices) {
    if (device.kind === 'cpu') for (const core of device.cores ?? []) claim(device, `core ${core}`, `pinned to core ${core}`);
    if (device.kind === 'cuda') claim(device, `gpu ${device.deviceId}`, `on CUDA device ${device.deviceId}`);
  }
  return warnings.map((warning) => `${warning}, and plans count on both; give each its own`);
}
