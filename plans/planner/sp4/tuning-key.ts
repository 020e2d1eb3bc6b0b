import type { Cascade } from '../../domain/cascade/cascade.ts';

/** Cache key of SP4: a cascade for a range, given by its upper end, on a placement. */
export function tuningKey(toQps: number, cascade: Cascade, placement: string): string {
  return `${toQps}|${cascade.key}|${placement}`;
}
