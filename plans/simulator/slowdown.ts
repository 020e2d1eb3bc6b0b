/** One device, or every device, is slower or faster than profiled for some time. */
export interface Slowdown {
  /** Undefined: every device. */
  readonly device: string | undefined;
  /** 2 means that batches take twice as long as profiled. */
  readonly factor: number;
  /** Time in the run, by intended send time. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** How much slower than profiled a device is at a time; slowdowns that overlap multiply. */
export function slowdownAt(slowdowns: readonly Slowdown[], device: string, nowMs: number): number {
  let factor = 1;
  for (const each of slowdowns) {
    const applies = each.device === undefined || each.device === device;
    if (applies && nowMs >= each.fromMs && nowMs < each.toMs) factor *= each.factor;
  }
  return factor;
}

/** For people: `cpu1 takes 2 times as long as profiled, from 10 s to 20 s`. */
export function describeSlowdown({ device, factor, fromMs, toMs }: Slowdown): string {
  const from = fromMs === 0 ? '' : `from ${fromMs / 1_000} s`;
  const to = toMs === Number.POSITIVE_INFINITY ? '' : `to ${toMs / 1_000} s`;
  const when = [from, to].filter((part) => part !== '').join(' ');
  return `${device ?? 'every device'} takes ${factor} times as long as profiled${when === '' ? '' : `, ${when}`}`;
}

/** In JSON reports: seconds of the run; null means every device, or the end. */
export interface AssumedSlowdown {
  readonly device: string | null;
  readonly factor: number;
  readonly fromSeconds: number;
  readonly toSeconds: number | null;
}

export function assumedSlowdown({ device, factor, fromMs, toMs }: Slowdown): AssumedSlowdown {
  return {
    device: device ?? null,
    factor,
    fromSeconds: fromMs / 1_000,
    toSeconds: toMs === Number.POSITIVE_INFINITY ? null : toMs / 1_000,
  };
}
