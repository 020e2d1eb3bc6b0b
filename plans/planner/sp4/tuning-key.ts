import type { Cascade } from '../../domain/cascade/cascade.ts';

/** Names what SP4 was asked: a cascade for a range, by its upper end, on a placement. */
export function tuningKey(toQps: number, cascade: Cascade, placement: string): string {
  return `${toQps}|${cascade.key}|${placement}`;
}
