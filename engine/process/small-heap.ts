import { setFlagsFromString } from 'node:v8';

/**
 * For a process that allocates little after its start: stops the space for new objects from growing. Otherwise, memory that is needed
 * briefly to read the configuration, about 16 MB, would be kept for ever. V8 reads this flag whenever it would grow.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}
