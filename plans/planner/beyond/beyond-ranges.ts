/** Ranges of load above a plan, before anything is simulated. */
export interface BeyondRange {
  readonly fromQps: number;
  readonly toQps: number;
  /** Index among the carriers. */
  readonly carrier: number;
}

/** Each step carries about so much more than the one before: less accuracy is lost with finer ones, but gears change more often. */
const STEP = 1.22;
const WIDER = 1.1;
/** More gears than this say nothing that people could tell apart. */
const MAX_GEARS = 12;
/** Less load than this beyond the last range is not worth a gear. */
const LEAST_GAIN = 1.01;

/**
 * Ends of the steps from a load to the highest that any carrier takes, about evenly by ratio.
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

/** Per step: the first, which is the most accurate, that carries its end. */
export function firstCarriers(ends: readonly number[], carriedQps: readonly number[]): number[] {
  return ends.map((end) => carriedQps.findIndex((qps) => qps >= end));
}

/** Neighbouring steps with the same carrier are one range. */
export function joinSteps(fromQps: number, ends: readonly number[], chosen: readonly number[]): BeyondRange[] {
  const ranges: BeyondRange[] = [];
  ends.forEach((toQps, i) => {
    const last = ranges.at(-1);
    if (last?.carrier === chosen[i]) ranges[ranges.length - 1] = { ...last, toQps };
    else ranges.push({ fromQps: last?.toQps ?? fromQps, toQps, carrier: chosen[i] });
  });
  return ranges;
}

/** Downwards to four digits: plans are read by people, and what is written must be carried. */
function readable(qps: number): number {
  if (qps <= 0) return 0;
  const unit = 10 ** (Math.floor(Math.log10(qps)) - 3);
  return Number((Math.floor(qps / unit) * unit).toPrecision(4));
}
