import { setFlagsFromString } from 'node:v8';

/**
 * For a process that allocates little after its start: from here on the space for new objects does not grow. What reading
 * configuration needs for a moment would otherwise be kept for ever, about 16 MB. V8 reads this flag whenever it would grow.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}
