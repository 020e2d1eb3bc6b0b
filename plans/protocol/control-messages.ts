import { z } from 'zod';
import { SUBJECT_TOKEN } from '../../engine/actor/subject.ts';
import { gearPlanSchema } from '../domain/gear-plan/gear-plan.ts';
import { SIZE_BOUNDS, TIME_BOUNDS_MS } from './histogram.ts';
import { EXITS } from './messages.ts';
import type { Message } from './schema-codec.ts';

/** The messages that actors exchange about load, devices, gears and plans: a schema for each, and its type. */

/** A number that indexes or counts. */
export const count = z.int().nonnegative();

/** Larger than any real time, load or memory, but small enough that sums of amounts stay finite and can be sent again. */
const LARGEST_AMOUNT = 1e15;
export const amount = z.number().nonnegative().max(LARGEST_AMOUNT);
/** Ratio of times: loads and shares are divided by it, so it must not be 0. */
const factor = amount.positive();
export const token = z.string().regex(SUBJECT_TOKEN);
const amounts = z.record(z.string(), amount);

/** Messages that could not be decoded, by reason. */
export type DropCounts = Readonly<Record<string, number>>;

export const loadReport = z.object({
  frontend: token,
  pid: amount,
  intervalMs: amount.min(1),
  arrivals: amount,
  /** Messages that the frontend has dropped since its start. */
  dropped: amounts.optional(),
  /** Requests that got no result from the frontend since its start, by reason. */
  unserved: amounts.optional(),
});
/** Load-estimator -> gear-controller, every interval. */
export type LoadReport = Message<typeof loadReport>;

const certaintyCounts = z.object({ revision: count, gear: count, model: z.string(), counts: z.array(count) });
/** Certainties of a model in a gear: number of samples per bin (see plans/drift/certainty-bins.ts). */
export type CertaintyCounts = Message<typeof certaintyCounts>;

const suspects = z.array(z.object({ origin: token, seqs: z.array(z.int()) }));
/** Requests suspected of killing a device: the frontend that holds them, and their numbers there. */
export type Suspects = Message<typeof suspects>;

const auditCounts = z.object({
  revision: count,
  gear: count,
  /** The model whose answers these are. */
  model: z.string(),
  /** Answers that it gave, and how many of those were drawn for an audit. */
  answered: count,
  drawn: count,
  /**
   * Per bin of the most accurate model's certainty: answers it confirmed, and answers it disagreed with. For its own answers: those
   * that the model before it in the cascade agreed with, and the others.
   */
  agreed: z.array(count),
  differed: z.array(count),
});
/** Audit counts of one model's answers in one gear (see plans/drift/audit-estimate.ts). */
export type AuditCounts = Message<typeof auditCounts>;

const histogramOf = (bounds: readonly number[]) => z.object({ counts: z.array(count).length(bounds.length + 1), sum: amount });
const times = histogramOf(TIME_BOUNDS_MS);

const modelMeasures = z.object({
  model: z.string(),
  /** Answers by the gear in which they were given, and how they ended, in the order of EXITS. */
  answers: z.array(z.object({ gear: count, exits: z.array(count).length(EXITS.length) })),
  /** For these answers, over all stages. */
  totalMs: times,
  queueMs: times,
  computeMs: times,
  batchSize: histogramOf(SIZE_BOUNDS),
  batchMs: times,
});
/** What one model did on a device since its process started: answers, their times, and batches. */
export type ModelMeasures = Message<typeof modelMeasures>;

export const deviceState = z.object({
  device: token,
  host: z.string(),
  phase: z.enum(['loading', 'ready', 'draining', 'left']),
  /** Different after each restart of the process. */
  incarnation: z.string(),
  /**
   * Identifies the process, or all processes started together; two different ones on one device are rivals (see
   * actors/device/device-claim.ts). Older versions make no claim and yield the device.
   */
  claim: z.string().default(''),
  /** How often the process was paused or cut off for so long that it may have been replaced. */
  absences: count.default(0),
  pid: amount,
  /** The plan revision and the gear that the device acts on. */
  revision: count,
  gear: count,
  /** Last gear change here, and the delay between its decision and its effect; negative if the clocks of two hosts differ. */
  epoch: count,
  gearDelayMs: z.number(),
  /** Per loaded and warm model: requests in its queue, and requests answered since the start. */
  queues: amounts,
  answered: amounts,
  /** Model -> why the weights that the plan places here are unavailable. */
  missingWeights: z.record(z.string(), z.string()).optional(),
  /** Inference time of everything queued here, according to the profile and the measured speed. */
  backlogMs: amount,
  /**
   * How many times slower than profiled the device is now (see plans/policy/device-speed.ts). It has a default because older versions
   * do not measure it, and dropping their heartbeats would mean losing their devices.
   */
  slowdown: factor.default(1),
  /**
   * Share of the last heartbeat interval in which the inference thread was ready to run but had no processor; null when the system does
   * not report it. It shows whether the device is slow because others use its cores.
   */
  starvedShare: amount.nullable().default(null),
  completedBatches: amount,
  /** Time spent on inference since the start. */
  busyMs: amount,
  upMs: amount,
  /** 99th percentile of the event loop delay since the last heartbeat. */
  loopDelayMsP99: amount,
  /** Messages that the device has dropped since its start. */
  dropped: amounts.optional(),
  /** Requests that got no result from the device since its start, by reason. */
  unserved: amounts.optional(),
  emulated: z.boolean(),
  /**
   * The likely cause if the device dies now: the request it tries alone or, when it leaves because it hangs, the batch it hangs in.
   * Absent when unknown.
   */
  suspects: suspects.optional(),
  /** Counted since the last heartbeat; absent when there is nothing to report. */
  certainties: z.array(certaintyCounts).optional(),
  audits: z.array(auditCounts).optional(),
  /** Sent once a second: for metrics only, not for decisions. */
  measures: z.array(modelMeasures).optional(),
  /** True while the device has spare time for audits. */
  spare: z.boolean().optional(),
});
/** Heartbeat of a device. */
export type DeviceState = Message<typeof deviceState>;

export const gearBasis = z.object({
  /**
   * What decided: the load; the measured speed or the backlog, without which a lower gear would do; the hysteresis, which holds this
   * gear against a lower one; a lower gear that has not sufficed for long enough yet; or an operator, regardless of the load.
   */
  rule: z.enum(['load', 'speed', 'backlog', 'held', 'settling', 'pinned']),
  /** Load of the last interval over all frontends, in requests per second. */
  qps: amount,
  /** Bounds on the load from counting, after scaling; they are compared with the gears' ranges. */
  lowQps: amount,
  highQps: amount,
  /** Linear factor between the measured load and the planned one; 1 under a latency SLO. */
  scale: amount,
  /** How much slower than profiled the gear's devices are together; 1 within the plan's headroom. */
  slowdown: amount,
  /** Longest queue of the current gear's first model, over all devices. */
  firstQueue: amount,
  /** Requests waiting in all queues, and how many of them exceed what the plan expects. */
  backlog: amount,
  excess: amount,
  /** Computing time of the work queued on the fullest device. */
  waitMs: amount,
});
/** The inputs of a gear decision, and the rule that decided (see plans/policy/gear-choice.ts). */
export type GearBasis = Message<typeof gearBasis>;

const gearPin = z.object({
  /** Index in the gear table in force. */
  gear: count,
  /** When it ends automatically, on the controller's clock; null: never. */
  until: amount.nullable(),
});
/** A gear that an operator holds in force. */
export type GearPin = Message<typeof gearPin>;

export const gearMessage = z.object({
  revision: count,
  /** Index in the plan's gears, or in the gears for a lost device. */
  gear: count,
  /** The lost device that the gears are for; absent when none is lost. */
  lost: token.optional(),
  /** Counts the changes within a controller's term; receivers ignore older ones than they have. */
  epoch: count,
  /** When the controller decided, on its clock. */
  decidedAt: amount,
  /** The last decision; absent before the first one. A gear takes effect even if its reason cannot be decoded. */
  basis: gearBasis.optional().catch(undefined),
  /** Absent while the load decides. */
  pinned: gearPin.optional(),
});
/** The gear in force. */
export type GearMessage = Message<typeof gearMessage>;

export const prepareMessage = z.object({ revision: count, plan: gearPlanSchema });
/**
 * Plan-keeper -> all: learn this plan. Devices load what is new in it alongside what they have, and answer with PreparedMessage.
 * Routing uses it only when one of its gears is in force.
 */
export type PrepareMessage = Message<typeof prepareMessage>;

export const preparedMessage = z.object({
  revision: count,
  device: token,
  incarnation: z.string(),
  /** Why not, in words; absent when the device is ready for the plan. */
  problem: z.string().optional(),
});
/** Device -> plan-keeper: whether it is ready. */
export type PreparedMessage = Message<typeof preparedMessage>;

export const planVerdict = z.object({ revision: count });
/** Plan-keeper -> all: the plan is in force, or it will not be. */
export type PlanVerdict = Message<typeof planVerdict>;

export const cancellations = z.array(
  z.object({
    token: z.string(),
    /** Null means all requests that were sent with the token. */
    ids: z.array(z.string()).nullable(),
  }),
);
/** Frontend -> all frontends: requests that their clients have cancelled. */
export type Cancellation = Message<typeof cancellations>[number];

export const cancelFrame = z.object({ origin: token, seqs: z.array(z.int()) });
/** Frontend -> device: numbers of cancelled requests at their frontend. */
export type CancelFrame = Message<typeof cancelFrame>;
