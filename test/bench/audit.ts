/**
 * What an audit finds, and what it costs.
 *
 * First, it sends pictures at 500 requests/s, unchanged and then with noise or inverted, and compares the estimates with the truth
 * second by second. For disagreement, the truth is the most accurate model's answers to all pictures, over the answers in the audit's
 * own window: gears change under the shift, so earlier answers are a different mixture. The audit must be within 2 points of it. For
 * accuracy, the truth is the labels, which an audit does not have: the bench shows how far off it is, but nothing is promised.
 *
 * Then it alternates runs with and without an audit: at the load that the devices carry, for latency, and above it, for goodput. Each
 * run starts from idle, when there is time for audits; it is long enough that this second does not matter.
 *
 * Usage: npm run bench:audit [-- find | cost]
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type CascadeClient, createClient } from '../../actors/client/client.ts';
import { requestStatus } from '../../actors/operator/ask-status.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { realClock } from '../../engine/clock.ts';
import { messageOf } from '../../engine/errors.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import type { Report } from '../../plans/report/report.ts';
import { cascadeJson, profileAndPlan, startCascade } from '../support/cascade.ts';
import { fashionOnTwoDevices } from '../support/fashion.ts';
import { labelsBy, type Shift, shiftedImages, trueLabels } from '../support/shifted-images.ts';
import { median, writeResult } from './machine.ts';

const QPS = 500;
const EACH_MS = 20;
const BEFORE_SECONDS = 15;
const SECONDS = 62;
const IMAGES = 2_000;
const POINTS = 0.02;
const SHIFTS: readonly { shift: Shift; noise?: number }[] = [
  { shift: 'noise', noise: 20 },
  { shift: 'noise', noise: 40 },
  { shift: 'noise', noise: 80 },
  { shift: 'inverted' },
];
const ROUNDS = 3;
const FULL_SECONDS = 14;

const server = await startNatsServer();
const bus = await connectNats({ servers: server.url });

const fewRequests = fashionOnTwoDevices('auditbench', server.url, { qpsMax: 600, ranges: 1 });

/** Lower than planned, so that less certain models answer, as in a plan for more load; the real plan would lose too little accuracy. */
const THRESHOLD = 0.3;
function hasten(folder: string): void {
  const file = join(folder, 'plan.json');
  const plan = JSON.parse(readFileSync(file, 'utf8')) as GearPlan;
  const cascade = [{ model: 'cnn-small', threshold: THRESHOLD }, { model: 'cnn-medium' }];
  if (plan.gears.some((gear) => gear.cascade.map(({ model }) => model).join() !== 'cnn-small,cnn-medium'))
    throw new Error('the planner chose other models than this bench is made for');
  writeFileSync(file, JSON.stringify({ ...plan, gears: plan.gears.map((gear) => ({ ...gear, cascade })) }));
}

/** Refusing requests keeps queues short. */
const fullLoad = fashionOnTwoDevices('auditbench', server.url, { qpsMax: 8_000, ranges: 8 }).replace(
  'deadline: 30s',
  'deadline: 1s',
);
/** About the load that two devices and the other processes carry on two cores, and a higher one. */
const FULL_QPS = [10_000, 12_000];

async function plannedAs(yaml: string, run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'cascade-audit-bench-'));
  writeFileSync(join(folder, 'deployment.yaml'), yaml);
  try {
    await profileAndPlan(folder);
    await run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function served<T>(folder: string, yaml: string, audit: boolean, run: () => Promise<T>): Promise<T> {
  writeFileSync(join(folder, 'deployment.yaml'), audit ? `${yaml}audit: {}\n` : yaml);
  const serving = startCascade(['serve', folder, '--log-level', 'error']);
  await serving.firstLine;
  try {
    return await run();
  } finally {
    await serving.stop();
  }
}

/** Sends the pictures over and over. @param onSecond awaited each second, while sending continues. */
async function send(
  client: CascadeClient,
  images: readonly Uint8Array[],
  seconds: number,
  onAnswer: (image: number, label: number | undefined) => unknown,
  onSecond: (second: number) => Promise<void>,
): Promise<void> {
  const beganAt = realClock.now();
  let second = 0;
  for (let sent = 0; second < seconds; ) {
    const due = Math.floor(((realClock.now() - beganAt) * QPS) / 1_000);
    for (; sent < due; sent++) {
      const i = sent % images.length;
      // Refusals do not count as answers.
      client.infer({ image: images[i] }).then(
        ({ label }) => onAnswer(i, label),
        () => undefined,
      );
    }
    await setTimeout(EACH_MS);
    const now = Math.floor((realClock.now() - beganAt) / 1_000);
    if (now > second) await onSecond(now);
    second = now;
  }
}

async function found({ shift, noise }: (typeof SHIFTS)[number]) {
  const images = shiftedImages(shift, IMAGES, noise);
  const labels = trueLabels(IMAGES);
  // Closing the client closes its connection.
  const client = createClient(await connectNats({ servers: server.url }), realClock, { deployment: 'auditbench' });
  const auditOf = async () => (await requestStatus(bus, subjectsOf('auditbench'))).drift?.audit;
  /** On a busy machine the status may not arrive in time; then that second is missing. */
  const auditIfAnswered = () => auditOf().catch((error) => void console.error(messageOf(error)));
  const answers: {
    readonly at: number;
    readonly image: number;
    readonly label: number | undefined;
    readonly shifted: boolean;
  }[] = [];
  const planned = shiftedImages('none', IMAGES);
  await send(
    client,
    planned,
    BEFORE_SECONDS,
    (image, label) => answers.push({ at: realClock.now(), image, label, shifted: false }),
    async () => undefined,
  );
  const before = await auditOf();
  if (before == null) throw new Error('nothing is audited');
  const reference = await labelsBy(before.reference, images);
  const plannedReference = await labelsBy(before.reference, planned);
  /** The truth for the answers in the audit's window. */
  const truthOf = (sinceMs: number): { disagreement: number; accuracy: number } => {
    const from = realClock.now() - sinceMs;
    const recent = answers.filter(({ at }) => at >= from);
    const differ = recent.filter(({ image, label, shifted }) => label !== (shifted ? reference : plannedReference)[image]);
    const right = recent.filter(({ image, label }) => label === labels[image]);
    return { disagreement: differ.length / recent.length, accuracy: right.length / recent.length };
  };
  const seconds: object[] = [];
  let withinFrom: number | undefined;
  let toldAfter: number | undefined;
  let last = before;
  await send(
    client,
    images,
    SECONDS,
    (image, label) => answers.push({ at: realClock.now(), image, label, shifted: true }),
    async (second) => {
      const now = await auditIfAnswered();
      if (now == null) return;
      last = now;
      const { disagreement, accuracy, compared, lost } = last;
      const truth = truthOf(last.sinceMs);
      const isWithin = disagreement !== null && Math.abs(disagreement.estimate - truth.disagreement) <= POINTS;
      withinFrom = isWithin ? (withinFrom ?? second) : undefined;
      if (lost) toldAfter ??= second;
      seconds.push({ second, truth, disagreement, accuracy, compared, lost });
    },
  );
  const truth = truthOf(last.sinceMs);
  await client.close();
  const referenceRight = reference.filter((label, i) => label === labels[i]).length / IMAGES;
  return {
    shift: noise === undefined ? shift : `${shift} of ${noise}`,
    reference: last.reference,
    toldBefore: before.lost,
    toldAfterSeconds: toldAfter,
    withinPointsAfterSeconds: withinFrom,
    disagreement: { before: before.disagreement, estimate: last.disagreement, truth: truth.disagreement },
    accuracy: {
      expected: last.expectedAccuracy,
      estimate: last.accuracy,
      truth: truth.accuracy,
      ofMostAccurate: referenceRight,
    },
    seconds,
  };
}

/** Ratios with an audit over without: medians over the rounds. There is no ratio if the percentile is a request without a result. */
function ratiosOf(runs: readonly { audit: boolean; p95: number | null; goodputQps: number }[]): { p95: number; goodput: number } {
  const [withAudit, without] = [true, false].map((audit) => runs.filter((run) => run.audit === audit));
  return {
    p95: median(withAudit.map(({ p95 }, i) => (p95 ?? Number.NaN) / (without[i].p95 ?? Number.NaN))),
    goodput: median(withAudit.map(({ goodputQps }, i) => goodputQps / without[i].goodputQps)),
  };
}

const only = process.argv[2];
const percent = (share: number | undefined): string => (share === undefined ? '-' : `${(100 * share).toFixed(1)} %`);

try {
  const shifts: Awaited<ReturnType<typeof found>>[] = [];
  await plannedAs(fewRequests, async (folder) => {
    hasten(folder);
    for (const shift of only === 'cost' ? [] : SHIFTS) {
      shifts.push(await served(folder, fewRequests, true, () => found(shift)));
      console.error(`${shifts.length} of ${SHIFTS.length} shifts`);
    }
  });
  console.table(
    shifts.map(({ shift, toldAfterSeconds, withinPointsAfterSeconds, disagreement, accuracy }) => ({
      shift,
      'told after s': toldAfterSeconds,
      'within 2 points after s': withinPointsAfterSeconds,
      disagreement: percent(disagreement.estimate?.estimate),
      truth: percent(disagreement.truth),
      accuracy: percent(accuracy.estimate?.estimate),
      'by labels': percent(accuracy.truth),
      'most accurate model, by labels': percent(accuracy.ofMostAccurate),
    })),
  );

  const runs: { qps: number; audit: boolean; p95: number | null; withinSlo: number | null; goodputQps: number; load: number }[] =
    [];
  await plannedAs(fullLoad, async (folder) => {
    for (let round = 0; round < (only === 'find' ? 0 : ROUNDS); round++) {
      for (const qps of FULL_QPS) {
        for (const audit of round % 2 === 0 ? [true, false] : [false, true]) {
          const args = ['load', folder, '--qps', String(qps), '--seconds', String(FULL_SECONDS), '--json', '-'];
          const { latencyMs, withinSlo, goodputQps } = await served(folder, fullLoad, audit, () => cascadeJson<Report>(args));
          runs.push({ qps, audit, p95: latencyMs.p95, withinSlo, goodputQps, load: loadavg()[0] });
        }
      }
    }
  });
  console.table(runs);
  // Per round, because the machine's own speed varies over time.
  const ratios = runs.length === 0 ? [] : FULL_QPS.map((qps) => ({ qps, ...ratiosOf(runs.filter((run) => run.qps === qps)) }));
  console.table(ratios);
  console.log(`wrote ${writeResult('audit', { qps: QPS, shifts, runs, ratios })}`);
} finally {
  await bus.close();
  await server.stop();
}
