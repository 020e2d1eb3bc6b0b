import { findMaxLoad, type MaxLoad } from '../../../actors/load/max-search.ts';
import { median } from '../machine.ts';
import type { GeneratorReport } from '../support/generator/tally.ts';
import type { Contender, Running } from '../support/promise/contender.ts';
import { generate, type Load, SLO_MS } from '../support/promise/generate.ts';
import type { Memory } from '../support/promise/memory.ts';

export const PARTS = ['light', 'max', 'crowd'] as const;
export type Part = (typeof PARTS)[number];

export interface PeerSettings {
  readonly parts: readonly Part[];
  readonly seconds: number;
  readonly fromQps: number;
  readonly precision: number;
  readonly lightQps: number;
  readonly crowdQps: number;
}

/** Results of one contender in one round; parts that were not run are undefined. */
export interface PeerRun {
  readonly name: string;
  readonly round: number;
  /** Time until it says that it is ready, or for servers that do not say so, until it answers. */
  readonly startUpSeconds: number;
  readonly idle: Memory;
  readonly light?: GeneratorReport;
  readonly max?: MaxLoad & { readonly accuracy: number | null; readonly runs: readonly SearchRun[] };
  readonly crowd?: GeneratorReport & Memory & { readonly secondsBackToNormal: number };
}

interface SearchRun {
  readonly qps: number;
  readonly withinShare: number | null;
  readonly accuracy: number | null;
  readonly senderLagMsP99: number | null;
}

const LEAST_SHARE = 0.99;
const LAG_LIMIT_MS = Math.max(2, SLO_MS / 100);
const WARM_UP_SECONDS = 3;
const MOST_QPS = 50_000;
const CONFIRMATIONS = 2;
const CALM_QPS = 500;
const PHASE_SECONDS = 10;

/** Starts a contender, measures all parts, and stops it. After a load that it cannot carry it is restarted, to drop the backlog. */
export async function measurePeer(contender: Contender, round: number, settings: PeerSettings): Promise<PeerRun> {
  const { parts, seconds, lightQps } = settings;
  let seed = 100 * (round + 1);
  const tell = (text: string): void => void process.stderr.write(`${contender.name}, round ${round + 1}: ${text}\n`);
  const startedAt = performance.now();
  let running = await contender.start();
  try {
    const startUpSeconds = (performance.now() - startedAt) / 1_000;
    const idle = running.memory();
    tell(`ready after ${startUpSeconds.toFixed(1)} s, ${idle.pssMiB.toFixed(0)} MiB`);
    const run = (load: Omit<Load, 'seed'>): Promise<GeneratorReport> => generate(running.endpoint, { ...load, seed: seed++ });
    const steady = (qps: number) => run({ steps: [[WARM_UP_SECONDS + seconds, qps]], skipSeconds: WARM_UP_SECONDS });
    const light = parts.includes('light') ? await steady(lightQps) : undefined;
    if (light !== undefined) tell(`p50 ${light.offeredLatencyMs.p50} ms at ${lightQps}/s`);
    const max = parts.includes('max') ? await searchMax() : undefined;
    const crowd = parts.includes('crowd') ? await crowdOf(running, run, settings.crowdQps) : undefined;
    if (crowd !== undefined) tell(`${percent(crowd.withinShare)} within ${SLO_MS} ms through a crowd`);
    return {
      name: contender.name,
      round,
      startUpSeconds,
      idle,
      ...(light === undefined ? {} : { light }),
      ...(max === undefined ? {} : { max }),
      ...(crowd === undefined ? {} : { crowd }),
    };

    async function searchMax(): Promise<NonNullable<PeerRun['max']>> {
      const runs: SearchRun[] = [];
      const { precision, fromQps } = settings;
      const search = { fromQps, precision, confirmations: CONFIRMATIONS, mostQps: MOST_QPS };
      const found = await findMaxLoad(search, async (qps, phase) => {
        const { withinShare, accuracy, senderLagMs } = await steady(qps);
        runs.push({ qps, withinShare, accuracy, senderLagMsP99: senderLagMs.p99 });
        tell(`${phase} ${qps}/s: ${percent(withinShare)} within ${SLO_MS} ms, lag p99 ${senderLagMs.p99?.toFixed(2)} ms`);
        const met = (withinShare ?? 0) >= LEAST_SHARE;
        if (!met) {
          await running.stop();
          running = await contender.start();
        }
        if ((senderLagMs.p99 ?? 0) > LAG_LIMIT_MS) return 'void';
        return met ? 'met' : 'missed';
      });
      const accurate = runs.flatMap(({ qps, accuracy }) => (qps === found.maxQps && accuracy !== null ? [accuracy] : []));
      return { ...found, accuracy: accurate.length === 0 ? null : median(accurate), runs };
    }
  } finally {
    await running.stop();
  }
}

async function crowdOf(running: Running, run: (load: Omit<Load, 'seed'>) => Promise<GeneratorReport>, crowdQps: number) {
  const steps = [CALM_QPS, crowdQps, CALM_QPS].map((qps) => [PHASE_SECONDS, qps] as const);
  const report = await run({ steps, skipSeconds: WARM_UP_SECONDS });
  const after = report.windows.slice(2 * PHASE_SECONDS);
  return { ...report, ...running.memory(), secondsBackToNormal: after.findLastIndex(({ met }) => !met) + 1 };
}

function percent(share: number | null): string {
  return share === null ? '-' : `${(100 * share).toFixed(1)} %`;
}
