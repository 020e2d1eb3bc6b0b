import type { ErrorCode } from '../../engine/errors.ts';
import type { Dtype, Sample } from '../../engine/tensor/tensor.ts';
import type { HistogramCounts } from './histogram.ts';
import type { UnservedCounts } from './unserved.ts';

/** Why a request ended where it did: certain enough; the last model; no time to go on; no later model in the gear. */
export const EXITS = ['certain', 'last', 'deadline', 'gear'] as const;
export type Exit = (typeof EXITS)[number];

/** What a model says of a sample; which field, by the deployment's task. */
export interface Prediction {
  /** Number of the class. */
  label?: number;
  /** Numbers of the labels that apply, ascending. */
  labels?: readonly number[];
  /** Of regression: a number, or one per column of the output. */
  value?: number | readonly number[];
}

/** One output for one sample. */
export interface OutputValue {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Row-major, little-endian; in JSON a flat list of the values. */
  readonly data: Uint8Array;
}

/** One answered request. */
export interface Result extends Prediction {
  id: string;
  className?: string;
  /** Names of the `labels`. */
  classNames?: string[];
  certainty: number;
  model: string;
  /** Index of the model in the cascade of the gear, 0 = first; -1 when the model has left the gear meanwhile. */
  stage: number;
  exit: Exit;
  gear: number;
  revision: number;
  timing: { queueMs: number; computeMs: number; totalMs: number };
  /** Class scores as the model gives them, when the request asked for them. */
  scores?: number[];
  /** Outputs of the model that the request asked for, by name. */
  outputs?: Readonly<Record<string, OutputValue>>;
}

/**
 * One refused or failed request. The code and the message are also in the headers `Nats-Service-Error-Code` and `-Error`.
 * Refusals of requests that came in one frame are a list, which is of one code; its headers have the first one's message.
 */
export interface Failure {
  id: string;
  /**
   * Of a message in which so many requests were refused that the answer would be far larger than the message: the ids of those that
   * are not told one by one, where they have any; `id` is empty then.
   */
  ids?: readonly string[];
  error: {
    code: ErrorCode;
    message: string;
    /**
     * With RESOURCE_EXHAUSTED: milliseconds after which the deployment expects to have room, if its load allows; also in the
     * header `Retry-After-Ms`. Whoever asks again before is likely to be refused again.
     */
    retryAfterMs?: number;
    /** Another try would end the same way; also in the header `Cascade-Retry: never`. */
    final?: boolean;
  };
}

export type Answer = Result | Failure;

export function isFailure(answer: Answer): answer is Failure {
  return 'error' in answer;
}

/** An answer of a cheaper model, kept while a dearer one is asked: it stands if there is no time for the dearer one. */
export interface Opinion extends Readonly<Prediction> {
  readonly certainty: number;
  readonly model: string;
  readonly stage: number;
  /** By which it was given: another plan may have put other weights in force since. */
  readonly gear: number;
  readonly revision: number;
  readonly scores?: readonly number[];
  readonly outputs?: Readonly<Record<string, OutputValue>>;
}

/**
 * A request on its way between frontend and replicas. Times on the wire are ages, not dates, so that the clocks of two
 * hosts need not agree.
 */
export interface WorkItem {
  /** Number of the request at its frontend; finished ids go back by it. */
  readonly seq: number;
  /** Number of its client, which gets its share of the devices beside others (see ClientNumbers). Default 0. */
  readonly client?: number | undefined;
  readonly id: string;
  /** Subject of the answer. */
  readonly reply: string;
  /** Encoding of the answer. */
  readonly json: boolean;
  readonly wantScores: boolean;
  /** Names of outputs; default: none. */
  readonly wantOutputs?: readonly string[] | undefined;
  /** To be run in a batch of its own: it may have killed a device. */
  readonly alone: boolean;
  /** Since the frontend took it, on the receiver's clock. */
  readonly arrivedAt: number;
  readonly deadlineAt: number;
  /** Waiting and computing so far, in all stages. */
  readonly queueMs: number;
  readonly computeMs: number;
  readonly opinion: Opinion | undefined;
  readonly sample: Sample;
}

/** Requests of one origin for one replica. */
export interface WorkFrame {
  /** Name of the frontend that waits for these requests. */
  readonly origin: string;
  readonly items: readonly WorkItem[];
}

/** Replica -> frontend: what has ended, and what went on to another device (so that it can be sent again if that dies). */
export interface DoneFrame {
  readonly device: string;
  readonly finished: readonly number[];
  /** How many of the finished ended without an inference: refused, or out of time. */
  readonly dropped: number;
  readonly moved: readonly { readonly device: string; readonly seqs: readonly number[] }[];
}

/** Messages that could not be read, by reason. */
export type DropCounts = Readonly<Record<string, number>>;

/** Load-estimator -> gear-controller, every interval. */
export interface LoadReport {
  readonly frontend: string;
  readonly pid: number;
  readonly intervalMs: number;
  readonly arrivals: number;
  /** What the frontend dropped since its start. */
  readonly dropped?: DropCounts;
  /** Requests that got no result from the frontend since its start, by reason. */
  readonly unserved?: UnservedCounts;
}

/** How certain a model was in a gear: samples per bin of its certainties (see plans/drift/certainty-bins.ts). */
export interface CertaintyCounts {
  readonly revision: number;
  readonly gear: number;
  readonly model: string;
  readonly counts: readonly number[];
}

/** Requests by the frontend that has them, and their numbers there. */
export type Suspects = readonly { readonly origin: string; readonly seqs: readonly number[] }[];

/** An answered request about which the most accurate model is asked, too, when a device that holds it has time to spare. */
export interface AuditItem {
  /** The answer that was given. */
  readonly opinion: Opinion;
  readonly sample: Sample;
}

/** What the audit of one model's answers in one gear has counted (see plans/drift/audit-estimate.ts). */
export interface AuditCounts {
  readonly revision: number;
  readonly gear: number;
  /** Whose answers. */
  readonly model: string;
  /** Answers that it gave, and those of them that were drawn for an audit. */
  readonly answered: number;
  readonly drawn: number;
  /**
   * Answers that the most accurate model confirmed, and those to which it says otherwise, per bin of its own certainties. Of its own
   * answers: those to which the model before it in the cascade said the same, and otherwise.
   */
  readonly agreed: readonly number[];
  readonly differed: readonly number[];
}

/** What one model did on a device since its process was started: answers, the times that they took, and batches. */
export interface ModelMeasures {
  readonly model: string;
  /** Answers by the gear that they were given in, and how they ended, in the order of EXITS. */
  readonly answers: readonly { readonly gear: number; readonly exits: readonly number[] }[];
  /** Of these answers, over all stages: bins of TIME_BOUNDS_MS. */
  readonly totalMs: HistogramCounts;
  readonly queueMs: HistogramCounts;
  readonly computeMs: HistogramCounts;
  /** Of SIZE_BOUNDS. */
  readonly batchSize: HistogramCounts;
  readonly batchMs: HistogramCounts;
}

/** Heartbeat of a device. */
export interface DeviceState {
  readonly device: string;
  readonly host: string;
  readonly phase: 'loading' | 'ready' | 'draining' | 'left';
  /** Different after each restart of the process. */
  readonly incarnation: string;
  /** Of the process, or of all that were started together: two of them on one device are rivals (see actors/device/device-claim.ts). */
  readonly claim: string;
  /** How often the process was paused or cut off for so long that it may have been replaced. */
  readonly absences: number;
  readonly pid: number;
  /** Plan that this device acts on, and the gear of it. */
  readonly revision: number;
  readonly gear: number;
  /** The last change of gear here, and how long after its decision it came into force (right where the clocks agree). */
  readonly epoch: number;
  readonly gearDelayMs: number;
  /** Per model that is loaded and warm: requests in the queue and answered since the start. */
  readonly queues: Readonly<Record<string, number>>;
  readonly answered: Readonly<Record<string, number>>;
  /** Model -> why the weights that the plan in force places here cannot be had; absent where nothing is missing. */
  readonly missingWeights?: Readonly<Record<string, string>>;
  /** Inference time of all that waits here, by the profile and the speed now: what a request that comes now has before it. */
  readonly backlogMs: number;
  /** How much slower than profiled the device is now: 2 is half the speed (see plans/policy/device-speed.ts). */
  readonly slowdown: number;
  /**
   * Share of the last heartbeat's interval in which the inference thread was ready to run and had no processor; null where the
   * system does not tell. It says whether the device is slow because others use its cores.
   */
  readonly starvedShare: number | null;
  readonly completedBatches: number;
  /** Time spent in inference since the start. */
  readonly busyMs: number;
  readonly upMs: number;
  /** 99th percentile of the event loop's delay since the last heartbeat. */
  readonly loopDelayMsP99: number;
  /** What the device dropped since its start. */
  readonly dropped?: DropCounts;
  /** Requests that got no result from the device since its start, by reason. */
  readonly unserved?: UnservedCounts;
  readonly emulated: boolean;
  /**
   * What this device dies of, if it does now: the request that it tries alone, or, when it leaves, the batch that it hangs in.
   * Absent: it does not know.
   */
  readonly suspects?: Suspects;
  /** Counted since the last heartbeat; absent where there is nothing to tell. */
  readonly certainties?: readonly CertaintyCounts[];
  readonly audits?: readonly AuditCounts[];
  /** With one heartbeat a second: for metrics, not to decide by. */
  readonly measures?: readonly ModelMeasures[];
  /** True while it has time to spare for audits. */
  readonly spare?: boolean;
}

/** What a choice of gear was made from, and by which rule (see plans/policy/gear-choice.ts). */
export interface GearBasis {
  /**
   * The load; the measured speed of the devices, or the backlog, without which a lower gear would do; the hysteresis, which holds
   * this gear against a lower one; or a lower one that has not been enough for long enough yet.
   */
  readonly rule: 'load' | 'speed' | 'backlog' | 'held' | 'settling';
  /** Load of the last interval, all frontends together, in requests per second. */
  readonly qps: number;
  /** The load lies between these by what was counted, after scaling: what the ranges of the gears are compared with. */
  readonly lowQps: number;
  readonly highQps: number;
  /** Linear factor between the measured load and the planned one; 1 under a latency SLO. */
  readonly scale: number;
  /** How much slower than profiled the gear's devices are together; 1 where that is within what plans leave room for. */
  readonly slowdown: number;
  /** Longest queue of the present gear's first model, over devices. */
  readonly firstQueue: number;
  /** Requests waiting in all queues, and how many of them are more than the plan expects. */
  readonly backlog: number;
  readonly excess: number;
  /** Computing time of what waits on the device that has most. */
  readonly waitMs: number;
}

/** The gear in force. */
export interface GearMessage {
  readonly revision: number;
  /** Index in the plan's gears, or in those for the loss of a device. */
  readonly gear: number;
  /** Device whose loss the gears are for; absent while all are there. */
  readonly lost?: string;
  /** Counts the changes of this controller's term; a receiver ignores what is older than what it has. */
  readonly epoch: number;
  /** When the controller decided, by its clock. */
  readonly decidedAt: number;
  /** The last decision; none before the first. */
  readonly basis?: GearBasis;
}

/**
 * Plan-keeper -> all, on `.control.prepare`: know this plan; devices load what is new in it beside what they have and answer
 * on `.control.prepared`. Nothing is routed by it before a gear of it is in force.
 */
export interface PrepareMessage<Plan = unknown> {
  readonly revision: number;
  readonly plan: Plan;
}

/** Device -> plan-keeper: whether it could. */
export interface PreparedMessage {
  readonly revision: number;
  readonly device: string;
  readonly incarnation: string;
  /** Why not, in words; absent when it is ready for the plan. */
  readonly problem?: string;
}

/** Plan-keeper -> all, on `.control.commit` and `.control.abort`: the plan is in force, or will not be. */
export interface PlanVerdict {
  readonly revision: number;
}
