/** Searches the highest load that meets an SLO: bracket, bisect, confirm. Knows nothing of how a load is run. */

export interface MaxSearch {
  /** Load to begin with, requests per second. */
  readonly fromQps: number;
  /** The search ends when the lowest load that missed is at most so much above the highest that met, such as 0.05. */
  readonly precision: number;
  /** Runs that must meet at the load that is found, the one of the search among them. */
  readonly confirmations: number;
  /** No load above this is tried. */
  readonly mostQps: number;
}

/** What one run at one load says. `void`: the load generator was late, so the run says nothing. */
export type Verdict = 'met' | 'missed' | 'void';

export type SearchPhase = 'bracket' | 'bisect' | 'confirm';

/** What the load is limited by: see `MaxLoad`. */
type SearchLimit = 'slo' | 'generator' | 'most';

export interface MaxLoad {
  /** Highest load that met in all confirmations; null when even the lowest load missed. */
  readonly maxQps: number | null;
  /** Lowest load that was not met: it is missed by the deployment (`slo`), or the generator could not send it on time. */
  readonly tooHighQps: number | null;
  readonly limitedBy: SearchLimit;
}

/** A run is done so often before a void one counts as such. */
const VOID_TRIES = 3;
/** One run that misses may be bad luck. */
const MISS_TRIES = 2;
/** Lower loads are not searched. */
const LEAST_QPS = 1;

/**
 * @param run one load once; each call is to use arrivals of its own.
 * A load that misses is run once more before it counts as missed. The load found is run until it has met `confirmations` times in a
 * row; one that fails there gives way to a lower one.
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

/** Three digits: more would not be seen among runs of some seconds. */
function rounded(qps: number): number {
  return Number(qps.toPrecision(3));
}
