/** A device, or all of them, that is slower or faster than profiled for some time. */
export interface Slowdown {
  /** Undefined: every device. */
  readonly device: string | undefined;
  /** 2: batches take twice as long as profiled. */
  readonly factor: number;
  /** Of the run, by intended send time. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** How much slower than profiled a device is at a time; several that apply multiply. */
export function slowdownAt(slowdowns: readonly Slowdown[], device: string, nowMs: number): number {
  let factor = 1;
  for (const each of slowdowns) {
    const applies = each.device === undefined || each.device === device;
    if (applies && nowMs >= each.fromMs && nowMs < each.toMs) factor *= each.factor;
  }
  return factor;
}
