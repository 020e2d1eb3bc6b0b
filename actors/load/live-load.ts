import type { Bus } from '../../engine/bus/bus.ts';
import type { CascadeError } from '../../engine/errors.ts';
import { printable } from '../../engine/printable.ts';
import { createRandom } from '../../engine/random.ts';
import type { LabelledData } from '../../plans/data/labelled-data.ts';
import { shuffled } from '../../plans/data/shuffled.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';
import type { Report } from '../../plans/report/report.ts';
import { ReportBuilder, type ReportSlo, type SecondWindow } from '../../plans/report/report-builder.ts';
import { poissonArrivals, type Trace } from '../../plans/traces/trace.ts';
import type { SharedClient } from '../client/client.ts';
import type { Inputs } from '../client/request-body.ts';
import type { Status } from '../controller/status-report.ts';
import { requestStatus } from '../operator/ask-status.ts';
import { type LoadOutcome, runOpenLoop } from './open-loop.ts';
import type { SenderConnection } from './sender-protocol.ts';

export interface LiveLoad {
  readonly bus: Bus;
  readonly client: SharedClient;
  /** For the sending thread. */
  readonly connection: SenderConnection;
  /** For each request. */
  readonly deadlineMs: number;
  readonly subjects: Subjects;
  readonly trace: Trace;
  readonly seed: number;
  readonly data: LabelledData;
  readonly slo: ReportSlo;
  /** Length of the warm-up, whose requests count only in `gearSwitches` and utilisation. Default 0. */
  readonly warmUpSeconds?: number;
  readonly onOutcome?: (outcome: LoadOutcome) => void;
  readonly onWarning?: (warning: string) => void;
  readonly signal?: AbortSignal;
}

export interface LiveLoadResult {
  readonly report: Report;
  /** For further questions about the requests that count. */
  readonly requests: Pick<ReportBuilder, 'shareWithin' | 'qualityOfOffered'>;
  readonly windows: readonly SecondWindow[];
  /** Seconds in each gear during the run; null when unknown. */
  readonly gearSeconds: readonly number[] | null;
  /** Model -> number of requests it answered; gear -> answers given in it. */
  readonly answersByModel: Readonly<Record<string, number>>;
  readonly answersByGear: ReadonlyMap<number, number>;
  /** Number of different samples among the answers: a long load sends each many times. */
  readonly samplesAnswered: number;
  /** Distinct errors, and how often each occurred. */
  readonly errors: ReadonlyMap<string, number>;
}

type GearStatus = Pick<Status, 'revision' | 'gearSeconds'>;

const MAX_DISTINCT_ERRORS = 20;
/** What differs between similar failures: the number of attempts, and when to retry. */
const OF_ONE_REQUEST = / \(\d+ attempts? in \d+ ms\)$|; ask again after \d+ ms/g;

/** The common part of similar failures, for a terminal. */
export function failureKind({ code, message }: Pick<CascadeError, 'code' | 'message'>): string {
  return printable(`${code}: ${message.replace(OF_ONE_REQUEST, '')}`);
}

/** Replays a trace on a running deployment, with the labelled data that were not used for planning. */
export async function liveLoad(options: LiveLoad): Promise<LiveLoadResult> {
  const { trace, data, client } = options;
  const random = createRandom(options.seed);
  const countFromMs = 1_000 * (options.warmUpSeconds ?? 0);
  const builder = new ReportBuilder(options.slo, countFromMs);
  const answersByModel: Record<string, number> = {};
  const answersByGear = new Map<number, number>();
  const samplesAnswered = new Set<number>();
  const errors = new Map<string, number>();
  const duplicatesBefore = client.duplicates;
  const before = await statusIfKnown(options);
  if (before === null)
    options.onWarning?.(
      `no answer on ${options.subjects.status}: if the deployment is not being served, each request waits for its deadline`,
    );
  const { duplicates, generatorLagMs } = await runOpenLoop({
    bus: options.bus,
    client,
    connection: options.connection,
    subject: options.subjects.infer,
    deadlineMs: options.deadlineMs,
    // The same arrivals as the simulator generates from this trace and seed.
    arrivalsMs: poissonArrivals(trace, random.split('arrivals')),
    samples: Array.from(shuffled(data.load.length, random.split('samples')), (i) => data.load[i]),
    inputsOf: (sample) => inputsOf(data, sample),
    lagFromMs: countFromMs,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    onOutcome: (outcome) => {
      options.onOutcome?.(outcome);
      if (outcome.sentAtMs < countFromMs) return;
      const { sample, result, error } = outcome;
      builder.add(outcome.sentAtMs, outcome.latencyMs, outcomeQuality(data, outcome), outcome.outcome);
      if (result !== undefined) {
        answersByModel[result.model] = (answersByModel[result.model] ?? 0) + 1;
        answersByGear.set(result.gear, (answersByGear.get(result.gear) ?? 0) + 1);
        samplesAnswered.add(sample);
      } else if (error !== undefined) {
        const text = failureKind(error);
        if (errors.size < MAX_DISTINCT_ERRORS || errors.has(text)) errors.set(text, (errors.get(text) ?? 0) + 1);
      }
    },
  });
  for (let i = duplicatesBefore - duplicates; i < client.duplicates; i++) builder.addDuplicate();
  const after = await statusIfKnown(options);
  const built = builder.build({
    ...(options.signal?.aborted === true ? {} : { seconds: trace.qps.length - countFromMs / 1_000 }),
    gearSwitches: before === null || after === null ? null : after.gearSwitches - before.gearSwitches,
    deviceUtilisation: utilisation(before, after),
    generatorLagMs,
  });
  return {
    report: built,
    requests: builder,
    windows: builder.windows(),
    gearSeconds: gearSecondsBetween(before, after),
    answersByModel,
    answersByGear,
    samplesAnswered: samplesAnswered.size,
    errors,
  };
}

/** A request without a result is wrong, unless nothing is known about any answer. */
export function outcomeQuality(
  data: Pick<LabelledData, 'qualityOf' | 'hasQuality'>,
  { sample, result }: Pick<LoadOutcome, 'sample' | 'result'>,
): number | null {
  if (result !== undefined) return data.qualityOf(sample, result.model, result);
  return data.hasQuality ? 0 : null;
}

/** Each plan counts from 0, so nothing is known about a run in which the plan changed. */
export function gearSecondsBetween(before: GearStatus | null, after: GearStatus | null): number[] | null {
  if (before === null || after === null || before.revision !== after.revision) return null;
  return after.gearSeconds.map((seconds, gear) => seconds - before.gearSeconds[gear]);
}

/** A client may lack permission, or nobody may answer: then these figures stay unknown. */
function statusIfKnown({ bus, subjects }: LiveLoad): Promise<Status | null> {
  return requestStatus(bus, subjects).catch(() => null);
}

/** Share of the time between two snapshots that a device spent in inference; unknown for a device that was restarted. */
function utilisation(before: Status | null, after: Status | null): Record<string, number> | null {
  if (before === null || after === null) return null;
  const shares: Record<string, number> = {};
  for (const now of after.devices) {
    const then = before.devices.find((device) => device.device === now.device && device.incarnation === now.incarnation);
    if (then !== undefined && now.upMs > then.upMs) shares[now.device] = (now.busyMs - then.busyMs) / (now.upMs - then.upMs);
  }
  return shares;
}

/** One sample as in a request: bytes, with their shape if more than one axis has variable length. */
export function inputsOf({ specs, sample }: Pick<LabelledData, 'specs' | 'sample'>, index: number): Inputs {
  const tensors = sample(index);
  return Object.fromEntries(
    specs.map(({ name, shape }, i) => {
      const saysItself = shape.filter((dimension) => dimension === null).length <= 1;
      return [name, saysItself ? tensors[i].data : { shape: tensors[i].shape, data: tensors[i].data }];
    }),
  );
}
