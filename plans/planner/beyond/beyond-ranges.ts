/** A range of load above the planned ones, before it is simulated. */
export interface BeyondRange {
  readonly fromQps: number;
  readonly toQps: number;
  /** Index among the carriers. */
  readonly carrier: number;
}

/** Factor from one step to the next. Finer steps lose less accuracy but change gears more often. */
const STEP = 1.22;
const WIDER = 1.1;
/** With more gears, neighbours would hardly differ. */
const MAX_GEARS = 12;
/** Further load below this factor of the last range is not worth a gear. */
const LEAST_GAIN = 1.01;

/**
 * Ends of the steps from a load to the highest that any carrier takes, at about equal ratios.
 * @param carriedQps per carrier, ascending.
 */
export function beyondSteps(fromQps: number, carriedQps: readonly number[]): number[] {
  const toQps = readable(carriedQps.at(-1) ?? 0);
  if (toQps < LEAST_GAIN * fromQps) return [];
  for (let step = STEP; ; step *= WIDER) {
    const count = Math.max(1, Math.round(Math.log(toQps / fromQps) / Math.log(step)));
    const ends = Array.from({ length: count }, (_, i) =>
      i === count - 1 ? toQps : readable(fromQps * (toQps / fromQps) ** ((i + 1) / count)),
    );
    if (joinSteps(fromQps, ends, firstCarriers(ends, carriedQps)).length <= MAX_GEARS) return ends;
  }
}

/** Per step: the first and most accurate carrier that carries its end. */
export function firstCarriers(ends: readonly number[], carriedQps: readonly number[]): number[] {
  return ends.map((end) => carriedQps.findIndex((qps) => qps >= end));
}

/** Joins neighbouring steps with the same carrier into one range. */
export function joinSteps(fromQps: number, ends: readonly number[], chosen: readonly number[]): BeyondRange[] {
  const ranges: BeyondRange[] = [];
  ends.forEach((toQps, i) => {
    const last = ranges.at(-1);
    if (last?.carrier === chosen[i]) ranges[ranges.length - 1] = { ...last, toQps };
    else ranges.push({ fromQps: last?.toQps ?? fromQps, toQps, carrier: chosen[i] });
  });
  return ranges;
}

/** Rounds to four digits, so that plans are readable, and down, so that the written load is carried. */
function readable(qps: number): number {
  if (qps <= 0) return 0;
  const unit = 10 ** (Math.floor(Math.log10(qps)) - 3);
  return Number((Math.floor(qps / unit) * unit).toPrecision(4));
}
