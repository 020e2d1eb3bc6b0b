import { fileURLToPath } from 'node:url';
import { requestStatus } from '../../../../actors/operator/ask-status.ts';
import { connectNats } from '../../../../engine/bus/nats-bus.ts';
import type { Stage } from '../../../../plans/domain/gear-plan/gear-plan.ts';
import { subjectsOf } from '../../../../plans/protocol/subjects.ts';
import { type Cascade, runCommand, startCommand } from '../../../support/cascade.ts';
import { median } from '../../machine.ts';
import type { GeneratorReport } from '../generator/tally.ts';
import { type Contender, handwritten, plannedCascade, served, servedWithOneGear, type Tree } from './contender.ts';
import type { Endpoint, Load } from './generate.ts';
import { type Measured, measure, steady } from './measure.ts';
import { measuredTable } from './table.ts';

interface ScenarioOptions {
  /** The first is this checkout. */
  readonly trees: readonly [Tree, ...Tree[]];
  readonly rounds: number;
  readonly seconds: number;
  /** Default: the scenario's own. */
  readonly loads: readonly number[] | undefined;
  /** When the device's core is shared. */
  readonly busy: readonly (readonly [from: number, to: number])[];
  /** Batch limit of the hand-written loop. */
  readonly batch: string;
  /** Only contenders whose names contain one of these. */
  readonly only: readonly string[];
  /** Folder for plans. */
  readonly into: string;
}

export type Scenario = (options: ScenarioOptions) => Promise<object>;

const TWO_STAGES: readonly Stage[] = [{ model: 'cnn-small', threshold: 0.9 }, { model: 'resnet' }];
const FOUR_STAGES: readonly Stage[] = [
  { model: 'mlp', threshold: 0.974 },
  { model: 'cnn-small', threshold: 0.948 },
  { model: 'cnn-medium', threshold: 0.903 },
  { model: 'resnet' },
];
/** Accuracy of the peers' cascades on the half of the data for the load. */
const PEERS_ACCURACY = 0.943;
const LOADS = [500, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 9_000];

/** Runs every contender in each round, one after the other, in alternating order. */
async function interleaved<T>(rounds: number, all: readonly Contender[], run: (of: Contender, round: number) => Promise<T>) {
  const results: T[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const contender of round % 2 === 0 ? all : all.toReversed()) results.push(await run(contender, round));
  }
  return results;
}

function plans({ trees }: ScenarioOptions): Contender[] {
  return trees.map((tree) => served(tree.name, tree));
}

function peers({ trees: [tree], into, batch, only }: ScenarioOptions): Contender[] {
  const all = [
    servedWithOneGear('one gear, two stages', tree, TWO_STAGES, into),
    handwritten('loop, two stages', TWO_STAGES, batch),
    servedWithOneGear('one gear, four stages', tree, FOUR_STAGES, into),
    handwritten('loop, four stages', FOUR_STAGES, batch),
    servedWithOneGear('one gear, as planned', tree, plannedCascade(tree, PEERS_ACCURACY), into),
    served('gears', tree),
  ];
  return all.filter(({ name }) => only.length === 0 || only.some((part) => name.includes(part)));
}

function tell(run: Measured): Measured {
  const share = (100 * (run.withinShare ?? 0)).toFixed(2);
  const lag = run.senderLagMs.p99?.toFixed(2);
  process.stderr.write(`${run.qps}/s ${run.name}: ${share} % within 100 ms, p95 ${run.offeredLatencyMs.p95}, lag ${lag}\n`);
  return run;
}

/** Each load for some seconds. */
export const loads: Scenario = async (options) => {
  const runs: Measured[] = [];
  for (const qps of options.loads ?? LOADS) {
    const of = (contender: Contender, round: number) => measure(contender, steady(qps, options.seconds, round + 1));
    runs.push(...(await interleaved(options.rounds, plans(options), async (c, round) => tell(await of(c, round)))));
  }
  console.log(measuredTable(runs));
  return { runs };
};

const BUSY_QPS = 3_000;
const BUSY_SECONDS = 50;

/** A busy loop on the device's core comes and goes. */
export const busy: Scenario = async (options) => {
  const changes = options.busy.flat();
  const run = async (contender: Contender, round: number) => {
    let program: Cascade | undefined;
    const begin = (): void => {
      program = startCommand('taskset', ['-c', '1', process.execPath, '-e', 'for (;;);']);
    };
    const events = options.busy.flatMap(([from, to]) => [
      { atSecond: from, act: begin },
      { atSecond: to, act: () => void program?.process.kill('SIGKILL') },
    ]);
    const load: Load = { steps: [[BUSY_SECONDS, options.loads?.[0] ?? BUSY_QPS]], skipSeconds: 4, seed: round + 1, events };
    try {
      const measured = tell(await measure(contender, load));
      return { ...measured, recoverySeconds: changes.map((at, i) => recoverySeconds(measured, at, changes[i + 1])) };
    } finally {
      program?.process.kill('SIGKILL');
    }
  };
  const runs = await interleaved(options.rounds, plans(options), run);
  console.log(measuredTable(runs));
  for (const { name, recoverySeconds: seconds } of runs)
    console.log(`${name}: seconds until the SLO held after ${changes}: ${seconds}`);
  return { busy: options.busy, runs };
};

/** Time from a change to the last second, before the next change, that missed the SLO. */
function recoverySeconds({ windows }: GeneratorReport, from: number, to = windows.length): number {
  const missed = windows.findLastIndex(({ met }, second) => second >= from && second < to && !met);
  return missed === -1 ? 0 : missed + 1 - from;
}

const CALM = 500;
const CROWD = 4_000;
const PHASE_SECONDS = 10;

/** A crowd that comes and goes abruptly. */
export const flash: Scenario = async (options) => {
  const crowd = options.loads?.[0] ?? CROWD;
  const steps = [CALM, crowd, CALM].map((qps) => [PHASE_SECONDS, qps] as const);
  const runs = await interleaved(options.rounds, plans(options), async (contender, round) => {
    const measured = tell(await measure(contender, { steps, skipSeconds: 4, seed: round + 1 }));
    const { windows } = measured;
    const usual = median(windows.slice(4, PHASE_SECONDS).map(({ p95Ms }) => p95Ms ?? Number.POSITIVE_INFINITY));
    const after = windows.slice(2 * PHASE_SECONDS);
    const slow = after.findLastIndex(({ p95Ms }) => p95Ms === null || p95Ms > 3 * usual);
    return { ...measured, qps: crowd, secondsBackToNormal: slow + 1 };
  });
  console.log(measuredTable(runs));
  for (const run of runs) console.log(`${run.name}: back to normal ${run.secondsBackToNormal} s after the crowd`);
  return { runs };
};

const LEAST_SHARE = 0.99;
const PEER_LOADS = Array.from({ length: 20 }, (_, i) => 2_000 + 500 * i);
/** A contender that fails at this many consecutive loads has reached its limit. */
const FAILURES = 2;

/** The highest load with 99 % of the requests within 100 ms, against the hand-written loop. */
export const loop: Scenario = async (options) => {
  const runs: Measured[] = [];
  const failures = new Map<string, number>();
  const highest: Record<string, { qps: number; accuracy: number | null }> = {};
  for (const qps of options.loads ?? PEER_LOADS) {
    const still = peers(options).filter(({ name }) => (failures.get(name) ?? 0) < FAILURES);
    const now = await interleaved(options.rounds, still, async (contender, round) =>
      tell(await measure(contender, steady(qps, options.seconds, round + 1))),
    );
    runs.push(...now);
    for (const { name } of still) {
      const own = now.filter((run) => run.name === name);
      if (median(own.map(({ withinShare }) => withinShare ?? 0)) < LEAST_SHARE) failures.set(name, (failures.get(name) ?? 0) + 1);
      else {
        failures.set(name, 0);
        highest[name] = { qps, accuracy: median(own.map(({ accuracy }) => accuracy ?? 0)) };
      }
    }
  }
  console.log(measuredTable(runs));
  console.log('highest load with 99 % within 100 ms:', highest);
  return { highest, runs };
};

const LIGHT_QPS = 400;

/** The latency of a request when nothing else is waiting. */
export const light: Scenario = async (options) => {
  const load = (round: number) => steady(options.loads?.[0] ?? LIGHT_QPS, options.seconds, round + 1);
  const runs = await interleaved(options.rounds, peers(options), async (contender, round) =>
    tell(await measure(contender, load(round))),
  );
  console.log(measuredTable(runs));
  return { runs };
};

const LARGEST = 'resnet';
const OVERLOAD = 1.3;
const offline = fileURLToPath(new URL('../offline-loop.ts', import.meta.url));

/** The largest model alone above its capacity: results per second compared with the model in an offline loop on the same core. */
export const saturation: Scenario = async ({ trees, rounds, seconds, into }) => {
  const contenders = trees.map((tree) => servedWithOneGear(`${tree.name}, ${LARGEST} alone`, tree, [{ model: LARGEST }], into));
  const results = await interleaved(rounds, contenders, async (contender, round) => {
    const args = [
      '-c',
      '1',
      process.execPath,
      '--import',
      'tsx',
      offline,
      `conf/fashion/models/${LARGEST}.onnx`,
      String(seconds),
    ];
    const best = JSON.parse((await runCommand('taskset', args)).stdout) as { batch: number; qps: number };
    const load = steady(Math.round(OVERLOAD * best.qps), seconds, round + 1);
    let inferring: Promise<number> | undefined;
    const run = tell(
      await measure(contender, load, async ({ endpoint }) => {
        inferring = inferringShare(endpoint, load);
      }),
    );
    const counted = run.windows.slice(load.skipSeconds);
    const resultsQps = counted.reduce((sum, { arrived }) => sum + arrived, 0) / counted.length;
    return { ...run, offline: best, resultsQps, ofOffline: resultsQps / best.qps, inferring: await inferring };
  });
  console.log(measuredTable(results));
  console.table(
    results.map(({ name, offline: best, resultsQps, ofOffline, inferring }) => ({
      name,
      offlineBatch: best.batch,
      offlineQps: Math.round(best.qps),
      resultsQps: Math.round(resultsQps),
      ofOffline: ofOffline.toFixed(3),
      inferring: inferring?.toFixed(3),
    })),
  );
  return { runs: results };
};

/** Share of time under load that the device reports as spent in inference. */
async function inferringShare({ url }: Endpoint, { steps, skipSeconds }: Load): Promise<number> {
  const bus = await connectNats({ servers: url });
  const account = async (afterSeconds: number) => {
    await new Promise((resolve) => setTimeout(resolve, 1_000 * afterSeconds));
    const [device] = (await requestStatus(bus, subjectsOf('fashion'))).devices;
    return device;
  };
  try {
    // The generator needs a second to start.
    const before = await account(1 + skipSeconds);
    const after = await account(steps[0][0] - skipSeconds - 1);
    return (after.busyMs - before.busyMs) / (after.upMs - before.upMs);
  } finally {
    await bus.close();
  }
}
