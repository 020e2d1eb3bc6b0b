import { totalmem } from 'node:os';
import { usableCores } from '../../engine/process/usable-cores.ts';

const MIB = 2 ** 20;

/** One device per core except the first, which is left to the frontend; they share half of the memory. */
export function localDevices() {
  const usable = usableCores();
  const used = usable.length === 1 ? usable : usable.slice(1);
  const memory = Math.max(64, Math.floor(totalmem() / 2 / used.length / MIB / 64) * 64);
  return used.map((core) => ({ id: `cpu${core}`, kind: 'cpu', cores: [core], memory: `${memory}MiB` }));
}
