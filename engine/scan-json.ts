import { type CascadeError, invalid } from './errors.ts';

/** Limits on a body from an untrusted sender. */
export interface BodyLimits {
  /** Nesting of lists and objects. */
  readonly depth: number;
  /** Elements of all lists and objects together. */
  readonly items: number;
  /** Strings, and objects with their fields, take many times as long to build as numbers. Undefined: only `items` counts. */
  readonly strings?: number;
  readonly fields?: number;
  /** What to send instead of too many elements. */
  readonly advice?: string;
}

/**
 * Checks JSON against limits without building anything.
 * @throws CascadeError INVALID_ARGUMENT
 */
export function scanJson(data: Uint8Array, limits: BodyLimits): void {
  const { strings: maxStrings = Number.POSITIVE_INFINITY, fields: maxFields = Number.POSITIVE_INFINITY } = limits;
  let depth = 0;
  let items = 0;
  let strings = 0;
  let fields = 0;
  let inString = false;
  for (let i = 0; i < data.length; i++) {
    const byte = data[i];
    if (inString) {
      if (byte === 0x5c) i++;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) {
      if (++strings > maxStrings) throw tooMany(limits, maxStrings, 'strings');
      inString = true;
    } else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > limits.depth) throw tooDeep(limits);
      if (byte === 0x7b && ++fields > maxFields) throw tooMany(limits, maxFields, 'objects and fields');
    } else if (byte === 0x5d || byte === 0x7d) depth--;
    else if (byte === 0x2c && ++items >= limits.items) throw tooMany(limits);
    else if (byte === 0x3a && ++fields > maxFields) throw tooMany(limits, maxFields, 'objects and fields');
  }
}

export function tooMany({ items, advice }: BodyLimits, most = items, what = 'elements'): CascadeError {
  return invalid(`body has more than ${most} ${what}${advice === undefined ? '' : `; ${advice}`}`);
}

export function tooDeep({ depth }: BodyLimits): CascadeError {
  return invalid(`body is nested deeper than ${depth} levels`);
}
