import { z } from 'zod';
import { amount, count, gearBasis, token } from './control-messages.ts';
import { auditMeasure } from './drift-report.ts';
import type { Message } from './schema-codec.ts';

/** Smoothed speed of a device, for operators. */
const speedReport = z.object({
  state: z.enum(['slow', 'as-profiled']),
  /** 2 means half as fast as profiled. */
  slowdown: amount,
  /** Since when it has been in this state and about this slow, in milliseconds since 1970; null: since we started to watch. */
  since: amount.nullable(),
  /** Share of the time for which its inference thread waited for a processor; null when unknown. */
  starvedShare: amount.nullable(),
});
export type SpeedReport = Message<typeof speedReport>;

const { lost: _, ...auditFigures } = auditMeasure.shape;

/** Everything published on the events subject. `text`, if present, says the same for people. */
export const eventMessage = z.discriminatedUnion('type', [
  /** The gear changed. If from and to are equal, the hysteresis started or stopped holding it. */
  z.object({ type: z.literal('gear'), revision: count, from: count, to: count, basis: gearBasis }),
  /** An operator holds a gear, or the hold has ended, and why. */
  z.object({ type: z.literal('pin'), state: z.enum(['pinned', 'ended']), revision: count, gear: count, text: z.string() }),
  z.object({ type: z.literal('device-lost'), device: token }),
  z.object({ type: z.literal('device-back'), device: token }),
  /** A device became slow, its slowdown changed by more than a third, or it is back to its profiled speed. */
  z.object({ type: z.literal('device-speed'), device: token, text: z.string(), ...speedReport.shape }),
  z.object({ type: z.literal('plan-adopted'), revision: count }),
  /** The revision that stays in force, and why the other was rejected. */
  z.object({ type: z.literal('plan-rejected'), revision: count, reason: z.string() }),
  /** A controller, another one or the same again, leads from now on; this revision is in force. */
  z.object({ type: z.literal('controller-leads'), revision: count }),
  z.object({
    type: z.literal('drift'),
    state: z.enum(['begins', 'ends']),
    what: z.enum(['qps', 'certainty']),
    /** The model whose certainties drifted. */
    model: z.string().optional(),
    distance: z.number().nullable(),
    bound: z.number(),
    observations: z.number().nonnegative(),
    /** What has drifted, by how much, and what to do. */
    text: z.string(),
  }),
  /** Answers have begun to differ from the most accurate model's by more than planned, or have stopped doing so. */
  z.object({ type: z.literal('audit'), state: z.enum(['loss', 'recovered']), text: z.string(), ...auditFigures }),
  /** Planning for the measured load has begun or ended, and how. Adoption of that plan is a separate event. */
  z.object({ type: z.literal('replan'), state: z.enum(['begins', 'done', 'failed']), text: z.string().optional() }),
  /** Weights that the plan places on a device are unavailable there; or they are available again, or no longer needed. */
  z.object({
    type: z.literal('weights'),
    state: z.enum(['missing', 'there']),
    device: token,
    model: z.string(),
    reason: z.string().optional(),
  }),
  /** The NATS server had lost a stream, a consumer or a bucket; it has been created again. `text`: what was lost with it. */
  z.object({ type: z.literal('store-lost'), kind: z.enum(['stream', 'consumer', 'bucket']), name: z.string(), text: z.string() }),
]);
export type EventMessage = Message<typeof eventMessage>;

/** The events of one type. */
export type EventOf<Type extends EventMessage['type']> = Extract<EventMessage, { readonly type: Type }>;
