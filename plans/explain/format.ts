import type { ExpectedAccuracy } from '../domain/gear-plan/gear-plan.ts';

/** Formatted figures of the explanation. */
export function percent(fraction: number, digits = 2): string {
  return `${(fraction * 100).toFixed(digits)} %`;
}

/** A few significant digits, no exponent, no trailing zeros. */
export function plain(value: number, digits = 4): string {
  return value >= 10 ** digits ? value.toFixed(0) : String(Number(value.toPrecision(digits)));
}

/** `94.1 - 95.3 %`: 95 of 100 such intervals contain the true accuracy. */
export function interval([low, high]: readonly [number, number]): string {
  return `${(low * 100).toFixed(1)} - ${(high * 100).toFixed(1)} %`;
}

/** `94.72 % (94.1 - 95.3 %)`: an expected accuracy with its interval. */
export function accuracyWithInterval({ accuracy, accuracyInterval }: ExpectedAccuracy): string {
  return `${percent(accuracy)} (${interval(accuracyInterval)})`;
}

/** `1 gear`, `2 gears` */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

export function milliseconds(ms: number): string {
  return `${plain(ms, 3)} ms`;
}

export function describeSlo(slo: { readonly p95: number } | { readonly accuracy: number }): string {
  return 'p95' in slo ? `p95 latency of ${plain(slo.p95)} ms or less` : `accuracy of ${percent(slo.accuracy)} or more`;
}

/** `gear 3`, `gears 0-8, 11` */
export function gearNames(indices: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const index of indices) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === index - 1) last[1] = index;
    else runs.push([index, index]);
  }
  const written = runs.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(', ');
  return `${indices.length === 1 ? 'gear' : 'gears'} ${written}`;
}
