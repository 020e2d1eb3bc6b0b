/** Searches for the highest load that meets an SLO: bracket, bisect, confirm. Independent of how a load is run. */

export interface MaxSearch {
  /** Load to start with, requests per second. */
  readonly fromQps: number;
  /** The search ends when the lowest load that missed is at most this much above the highest that met, such as 0.05. */
  readonly precision: number;
  /** Number of runs that must meet the SLO at the load found, including the one in the search. */
  readonly confirmations: number;
  /** No higher load is tried. */
  readonly mostQps: number;
}

/** Result of one run at one load. `void`: the load generator was late, so the run is meaningless. */
export type Verdict = 'met' | 'missed' | 'void';

export type SearchPhase = 'bracket' | 'bisect' | 'confirm';

/** What limits the load: see `MaxLoad`. */
type SearchLimit = 'slo' | 'generator' | 'most';

export interface MaxLoad {
  /** Highest load that met the SLO in all confirmations; null when even the lowest load missed. */
  readonly maxQps: number | null;
  /** Lowest load that failed: the deployment missed the SLO (`slo`), or the generator could not send it on time. */
  readonly tooHighQps: number | null;
  readonly limitedBy: SearchLimit;
}

/** Attempts before a void run counts as such. */
const VOID_TRIES = 3;
/** A single missed run may be bad luck. */
const MISS_TRIES = 2;
/** Lower loads are not tried. */
const LEAST_QPS = 1;

/**
 * @param run runs one load once; each call should use new arrivals.
 * A load that misses is run again before it counts as missed. The load found is run until it has met the SLO `confirmations` times in a
 * row; if it fails, a lower one takes its place.
 */
export async function findMaxLoad(
  { fromQps, precision, confirmations, mostQps }: MaxSearch,
  run: (qps: number, phase: SearchPhase) => Promise<Verdict>,
): Promise<MaxLoad> {
  let met: number | undefined;
  let tooHigh: number | undefined;
  let limitedBy: SearchLimit = 'most';

  const meets = async (qps: number, phase: SearchPhase, missTries: number): Promise<boolean> => {
    const verdict = await repeated(() => run(qps, phase), missTries);
    if (verdict === 'met') met = qps;
    else {
      tooHigh = qps;
      limitedBy = verdict === 'missed' ? 'slo' : 'generator';
    }
    return verdict === 'met';
  };

  let qps = Math.max(LEAST_QPS, Math.min(fromQps, mostQps));
  while ((met === undefined || tooHigh === undefined) && met !== mostQps && tooHigh !== LEAST_QPS) {
    await meets(qps, 'bracket', MISS_TRIES);
    qps = tooHigh === undefined ? Math.min(2 * qps, mostQps) : Math.max(LEAST_QPS, rounded(qps / 2));
  }
  while (met !== undefined && tooHigh !== undefined && tooHigh > met * (1 + precision)) {
    const middle = rounded(Math.sqrt(met * tooHigh));
    if (middle <= met || middle >= tooHigh) break;
    await meets(middle, 'bisect', MISS_TRIES);
  }
  let confirmed = 1;
  let step = 1;
  while (met !== undefined && confirmed < confirmations) {
    if (await meets(met, 'confirm', 1)) confirmed++;
    else {
      const lower = rounded(met / (1 + precision) ** step);
      met = lower >= LEAST_QPS && lower < met ? lower : undefined;
      confirmed = 0;
      step *= 2;
    }
  }
  return { maxQps: met ?? null, tooHighQps: tooHigh ?? null, limitedBy };
}

async function repeated(run: () => Promise<Verdict>, missTries: number): Promise<Verdict> {
  let misses = 0;
  let voids = 0;
  for (;;) {
    const verdict = await run();
    if (verdict === 'met') return verdict;
    if (verdict === 'missed' ? ++misses === missTries : ++voids === VOID_TRIES) return verdict;
  }
}

/** Three digits: runs of a few seconds cannot resolve more. */
function rounded(qps: number): number {
  return Number(qps.toPrecision(3));
}
