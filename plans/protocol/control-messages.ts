import { z } from 'zod';
import { SUBJECT_TOKEN } from '../../engine/actor/subject.ts';
import { gearPlanSchema } from '../domain/gear-plan/gear-plan.ts';
import { SIZE_BOUNDS, TIME_BOUNDS_MS } from './histogram.ts';
import { EXITS } from './messages.ts';
import type { Message } from './schema-codec.ts';

/** What the actors tell each other about load, devices, gears and plans: a schema for each, and its type. */

/** A number that indexes or counts. */
export const count = z.int().nonnegative();

/** Beyond any time, load or memory that there is: sums of amounts stay finite, and so may be told again. */
const LARGEST_AMOUNT = 1e15;
export const amount = z.number().nonnegative().max(LARGEST_AMOUNT);
/** Of time: loads and shares are divided by it. */
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
  /** Messages that the frontend dropped since its start. */
  dropped: amounts.optional(),
  /** Requests that got no result from the frontend since its start, by reason. */
  unserved: amounts.optional(),
});
/** Load-estimator -> gear-controller, every interval. */
export type LoadReport = Message<typeof loadReport>;

const certaintyCounts = z.object({ revision: count, gear: count, model: z.string(), counts: z.array(count) });
/** How certain a model was in a gear: samples per bin of its certainties (see plans/drift/certainty-bins.ts). */
export type CertaintyCounts = Message<typeof certaintyCounts>;

const suspects = z.array(z.object({ origin: token, seqs: z.array(z.int()) }));
/** Requests by the frontend that has them, and their numbers there. */
export type Suspects = Message<typeof suspects>;

const auditCounts = z.object({
  revision: count,
  gear: count,
  /** Whose answers. */
  model: z.string(),
  /** Answers that it gave, and those of them that were drawn for an audit. */
  answered: count,
  drawn: count,
  /**
   * Answers that the most accurate model confirmed, and those that it would not give, per bin of its own certainties. Of its own
   * answers: those that the model before it in the cascade agreed with, and the others.
   */
  agreed: z.array(count),
  differed: z.array(count),
});
/** What the audit of one model's answers in one gear has counted (see plans/drift/audit-estimate.ts). */
export type AuditCounts = Message<typeof auditCounts>;

const histogramOf = (bounds: readonly number[]) => z.object({ counts: z.array(count).length(bounds.length + 1), sum: amount });
const times = histogramOf(TIME_BOUNDS_MS);

const modelMeasures = z.object({
  model: z.string(),
  /** Answers by the gear that they were given in, and how they ended, in the order of EXITS. */
  answers: z.array(z.object({ gear: count, exits: z.array(count).length(EXITS.length) })),
  /** Of these answers, over all stages. */
  totalMs: times,
  queueMs: times,
  computeMs: times,
  batchSize: histogramOf(SIZE_BOUNDS),
  batchMs: times,
});
/** What one model did on a device since its process was started: answers, the times that they took, and batches. */
export type ModelMeasures = Message<typeof modelMeasures>;

export const deviceState = z.object({
  device: token,
  host: z.string(),
  phase: z.enum(['loading', 'ready', 'draining', 'left']),
  /** Different after each restart of the process. */
  incarnation: z.string(),
  /**
   * Of the process, or of all that were started together: two of them on one device are rivals (see actors/device/device-claim.ts).
   * Older versions make no claim and leave the device to others.
   */
  claim: z.string().default(''),
  /** How often the process was paused or cut off for so long that it may have been replaced. */
  absences: count.default(0),
  pid: amount,
  /** The plan that the device acts on, and its gear. */
  revision: count,
  gear: count,
  /** The last change of gear here, and how long after its decision it took effect; negative where the clocks of two hosts differ. */
  epoch: count,
  gearDelayMs: z.number(),
  /** Per model that is loaded and warm: requests in the queue, and requests answered since the start. */
  queues: amounts,
  answered: amounts,
  /** Model -> why the weights that the plan in force places here cannot be had. */
  missingWeights: z.record(z.string(), z.string()).optional(),
  /** Inference time of everything that waits here, by the profile and the measured speed. */
  backlogMs: amount,
  /**
   * How many times slower than profiled the device is now (see plans/policy/device-speed.ts). Older versions do not measure it: to
   * drop their heartbeats would be to lose their devices.
   */
  slowdown: factor.default(1),
  /**
   * Share of the last heartbeat's interval in which the inference thread was ready to run and had no processor; null where the
   * system does not tell. It says whether the device is slow because others use its cores.
   */
  starvedShare: amount.nullable().default(null),
  completedBatches: amount,
  /** Time spent on inference since the start. */
  busyMs: amount,
  upMs: amount,
  /** 99th percentile of the event loop's delay since the last heartbeat. */
  loopDelayMsP99: amount,
  /** Messages that the device dropped since its start. */
  dropped: amounts.optional(),
  /** Requests that got no result from the device since its start, by reason. */
  unserved: amounts.optional(),
  emulated: z.boolean(),
  /**
   * What the device dies of, if it dies now: the request that it tries alone or, when it leaves, the batch that it hangs in.
   * Absent: it does not know.
   */
  suspects: suspects.optional(),
  /** Counted since the last heartbeat; absent where there is nothing to tell. */
  certainties: z.array(certaintyCounts).optional(),
  audits: z.array(auditCounts).optional(),
  /** With one heartbeat a second: for metrics, not to decide by. */
  measures: z.array(modelMeasures).optional(),
  /** True while it has time to spare for audits. */
  spare: z.boolean().optional(),
});
/** Heartbeat of a device. */
export type DeviceState = Message<typeof deviceState>;

export const gearBasis = z.object({
  /**
   * The load; the measured speed of the devices, or the backlog, without which a lower gear would do; the hysteresis, which holds
   * this gear against a lower one; a lower one that has not been enough for long enough yet; or an operator, whatever the load is.
   */
  rule: z.enum(['load', 'speed', 'backlog', 'held', 'settling', 'pinned']),
  /** Load of the last interval, all frontends together, in requests per second. */
  qps: amount,
  /** The load lies between these by what was counted, after scaling: what the ranges of the gears are compared with. */
  lowQps: amount,
  highQps: amount,
  /** Linear factor between the measured load and the planned one; 1 under a latency SLO. */
  scale: amount,
  /** How much slower than profiled the gear's devices are together; 1 where that is within what plans leave room for. */
  slowdown: amount,
  /** Longest queue of the present gear's first model, over devices. */
  firstQueue: amount,
  /** Requests waiting in all queues, and how many of them are more than the plan expects. */
  backlog: amount,
  excess: amount,
  /** Computing time of what waits on the device that has most. */
  waitMs: amount,
});
/** What a choice of gear was made from, and by which rule (see plans/policy/gear-choice.ts). */
export type GearBasis = Message<typeof gearBasis>;

const gearPin = z.object({
  /** Index in the table of gears that is in force. */
  gear: count,
  /** When it ends by itself, by the controller's clock; null: never. */
  until: amount.nullable(),
});
/** A gear that an operator holds in force. */
export type GearPin = Message<typeof gearPin>;

export const gearMessage = z.object({
  revision: count,
  /** Index in the plan's gears, or in those for the loss of a device. */
  gear: count,
  /** Device whose loss the gears are for; absent while all are there. */
  lost: token.optional(),
  /** Counts the changes of this controller's term; a receiver ignores what is older than what it has. */
  epoch: count,
  /** When the controller decided, by its clock. */
  decidedAt: amount,
  /** The last decision; none before the first. A gear whose reason cannot be read takes effect all the same. */
  basis: gearBasis.optional().catch(undefined),
  /** Absent while the load chooses. */
  pinned: gearPin.optional(),
});
/** The gear in force. */
export type GearMessage = Message<typeof gearMessage>;

export const prepareMessage = z.object({ revision: count, plan: gearPlanSchema });
/**
 * Plan-keeper -> all: know this plan. Devices load what is new in it beside what they have and answer with PreparedMessage. Nothing
 * is routed by it before a gear of it is in force.
 */
export type PrepareMessage = Message<typeof prepareMessage>;

export const preparedMessage = z.object({
  revision: count,
  device: token,
  incarnation: z.string(),
  /** Why not, in words; absent when it is ready for the plan. */
  problem: z.string().optional(),
});
/** Device -> plan-keeper: whether it could. */
export type PreparedMessage = Message<typeof preparedMessage>;

export const planVerdict = z.object({ revision: count });
/** Plan-keeper -> all: the plan is in force, or will not be. */
export type PlanVerdict = Message<typeof planVerdict>;

export const cancellations = z.array(
  z.object({
    token: z.string(),
    /** Null: all that were sent with the token. */
    ids: z.array(z.string()).nullable(),
  }),
);
/** Frontend -> all frontends: requests whose clients have given them up. */
export type Cancellation = Message<typeof cancellations>[number];

export const cancelFrame = z.object({ origin: token, seqs: z.array(z.int()) });
/** Frontend -> device: numbers of requests at their frontend. */
export type CancelFrame = Message<typeof cancelFrame>;
