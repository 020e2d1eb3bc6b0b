import { z } from 'zod';
import { amount, count, gearBasis, token } from './control-messages.ts';
import { auditMeasure } from './drift-report.ts';
import type { Message } from './schema-codec.ts';

/** How fast a device is, as told to people; smoothed. */
const speedReport = z.object({
  state: z.enum(['slow', 'as-profiled']),
  /** 2: half as fast as profiled. */
  slowdown: amount,
  /** Since when it is in that state, and about that slow; null: as long as we have watched. Milliseconds since 1970. */
  since: amount.nullable(),
  /** Share of the time for which its inference thread waited for a processor; null where nobody can tell. */
  starvedShare: amount.nullable(),
});
export type SpeedReport = Message<typeof speedReport>;

const { lost: _, ...auditFigures } = auditMeasure.shape;

/** Everything that is said on the events subject. `text`, where there is one, says the same to people. */
export const eventMessage = z.discriminatedUnion('type', [
  /** The gear was changed; or, from and to being equal, the hysteresis begins or ceases to hold it. */
  z.object({ type: z.literal('gear'), revision: count, from: count, to: count, basis: gearBasis }),
  /** An operator holds a gear, or the hold has ended, and why. */
  z.object({ type: z.literal('pin'), state: z.enum(['pinned', 'ended']), revision: count, gear: count, text: z.string() }),
  z.object({ type: z.literal('device-lost'), device: token }),
  z.object({ type: z.literal('device-back'), device: token }),
  /** A device has become slow, or slower or faster by more than a third while it is; or it is as fast as profiled again. */
  z.object({ type: z.literal('device-speed'), device: token, text: z.string(), ...speedReport.shape }),
  z.object({ type: z.literal('plan-adopted'), revision: count }),
  /** The revision that stays in force, and why no other came. */
  z.object({ type: z.literal('plan-rejected'), revision: count, reason: z.string() }),
  /** Another controller leads from now on, or the same one again; in force is this revision. */
  z.object({ type: z.literal('controller-leads'), revision: count }),
  z.object({
    type: z.literal('drift'),
    state: z.enum(['begins', 'ends']),
    what: z.enum(['qps', 'certainty']),
    /** Whose certainties. */
    model: z.string().optional(),
    distance: z.number().nullable(),
    bound: z.number(),
    observations: z.number().nonnegative(),
    /** What has drifted, by how much, and what to do. */
    text: z.string(),
  }),
  /** Answers have begun to differ from the most accurate model's by more than was planned for, or have ceased to. */
  z.object({ type: z.literal('audit'), state: z.enum(['loss', 'recovered']), text: z.string(), ...auditFigures }),
  /** A plan for the measured load is being made; or that ended, and how. Whether its plan was adopted is an event of its own. */
  z.object({ type: z.literal('replan'), state: z.enum(['begins', 'done', 'failed']), text: z.string().optional() }),
  /** Weights that the plan in force places on a device cannot be had there; or they are there again, or not wanted any more. */
  z.object({
    type: z.literal('weights'),
    state: z.enum(['missing', 'there']),
    device: token,
    model: z.string(),
    reason: z.string().optional(),
  }),
  /** The NATS server had lost a stream, a consumer or a bucket; it has been made anew. `text`: what was lost with it. */
  z.object({ type: z.literal('store-lost'), kind: z.enum(['stream', 'consumer', 'bucket']), name: z.string(), text: z.string() }),
]);
export type EventMessage = Message<typeof eventMessage>;

/** The events of one type. */
export type EventOf<Type extends EventMessage['type']> = Extract<EventMessage, { readonly type: Type }>;
