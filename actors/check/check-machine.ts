import { accessSync, constants } from 'node:fs';
import { totalmem } from 'node:os';
import { canPin } from '../../engine/backend/pin-thread.ts';
import { messageOf } from '../../engine/errors.ts';
import { usableCores } from '../../engine/process/usable-cores.ts';
import type { Deployment, Device } from '../../plans/domain/deployment/deployment.ts';
import { devicesOfHost, requireLocalCores, sharingWarnings } from '../../plans/domain/deployment/local-cores.ts';
import { displayPath } from '../../plans/domain/deployment/shown.ts';
import { formatBytes } from '../../plans/domain/deployment/units.ts';
import { type Finding, Findings } from './finding.ts';

/** Whether this machine has what its devices need. */
export async function checkMachine(deployment: Deployment, host: string): Promise<Finding[]> {
  const machine = new Findings('machine');
  checkFolder(deployment, machine);
  const here = await machine.attempt(() => devicesOfHost(deployment, host));
  if (here === undefined) return machine.list;
  for (const device of here) await machine.attempt(() => requireLocalCores(deployment, device));
  checkShares(deployment, here, machine);
  await checkCuda(deployment, here, machine);
  const usable = usableCores();
  const names = here.map(({ id, kind }) => `${id} (${kind})`).join(', ');
  if (!machine.list.some(({ level }) => level === 'problem'))
    machine.ok(
      `Node ${process.versions.node}, ${usable.length === 1 ? 'core' : 'cores'} ${usable.join(', ')}: enough for ${names}`,
    );
  return machine.list;
}

/** Profiles, plans, and copies of the models that plans name are written there. */
function checkFolder({ dir }: Deployment, machine: Findings): void {
  try {
    accessSync(dir, constants.W_OK);
  } catch (error) {
    machine.warn(`${displayPath(dir)} cannot be written (${messageOf(error)}): name other files with --out and --profile`);
  }
}

function checkShares({ file }: Deployment, here: readonly Device[], machine: Findings): void {
  if (here.some((device) => device.kind === 'cpu' && device.cores !== undefined) && !canPin())
    machine.warn('inference threads cannot be pinned to cores: this system has no taskset (util-linux)');
  for (const warning of sharingWarnings({ file, devices: here })) machine.warn(warning);
  const wanted = here.filter(({ kind }) => kind === 'cpu').reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
  if (wanted > totalmem())
    machine.warn(
      `${displayPath(file)}: the devices have ${formatBytes(wanted)} of memory in total, but this machine has ${formatBytes(totalmem())}`,
    );
}

async function checkCuda({ file }: Deployment, here: readonly Device[], machine: Findings): Promise<void> {
  const cuda = here.filter(({ kind }) => kind === 'cuda');
  if (cuda.length === 0) return;
  const { listSupportedBackends } = await import('onnxruntime-node');
  if (listSupportedBackends().some(({ name }) => name === 'cuda')) return;
  for (const { id } of cuda)
    machine.problem(
      `${displayPath(file)}: device ${id}: kind: cuda is not available: ONNX Runtime has no CUDA here; on a machine with a GPU, run \`ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install\`, otherwise write kind: cpu`,
    );
}
