import { type Channel, type Codec, channel } from '../../engine/actor/channel.ts';
import {
  cancelFrame,
  cancellations,
  deviceState,
  gearMessage,
  loadReport,
  planVerdict,
  preparedMessage,
  prepareMessage,
} from './control-messages.ts';
import { doneCodec } from './done-codec.ts';
import { driftReport } from './drift-report.ts';
import { eventMessage } from './events.ts';
import * as examples from './examples.ts';
import { schemaCodec } from './schema-codec.ts';
import { PATTERNS } from './subject-patterns.ts';

/** Every channel of a deployment: who sends what to whom. docs/channels.md is generated from this file; conf/nats is checked against it. */

/** Client and operator are users of conf/nats; the others are roles of the deployment's own processes. */
type Role = 'client' | 'operator' | 'frontend' | 'device' | 'controller' | 'exporter';

/** Decoding these needs the deployment's inputs (see codec.ts and audit-codec.ts), so here they are bytes. */
const bytes: Codec<Uint8Array> = { encode: (message) => message, decode: (data) => data };

/** The same, copied because the receiver reads it later. */
const kept: Codec<Uint8Array> = { encode: (message) => message, decode: (data) => Buffer.from(data) };

/** A channel between existing roles. */
function declared<const Pattern extends string, T>(
  pattern: Pattern,
  declaration: Omit<Channel<Pattern, T>, 'pattern' | 'from' | 'to'> & {
    readonly from: readonly Role[];
    readonly to: readonly Role[];
  },
): Channel<Pattern, T> {
  return channel(pattern, declaration);
}

const EVERYBODY = ['frontend', 'device', 'controller'] as const;

const INFER = declared(PATTERNS.infer, {
  codec: bytes,
  delivery: 'group',
  group: 'frontends',
  from: ['client'],
  to: ['frontend'],
  about:
    'One request, or a frame of them; MessagePack, JSON or an opaque body. With the header `Cascade-Cancel` it cancels requests.',
  example: examples.REQUEST,
});

const RESULTS = declared(PATTERNS.results, {
  codec: bytes,
  delivery: 'all',
  from: ['frontend', 'device'],
  to: ['client'],
  about: 'Answers to requests that named no reply subject.',
  example: examples.RESULT,
});

const NAMED_RESULTS = declared(PATTERNS.namedResults, {
  codec: bytes,
  delivery: 'all',
  from: ['frontend', 'device'],
  to: ['client'],
  about: 'Answers to requests with the header `Cascade-Results: <name>`.',
  example: examples.RESULT,
});

const DURABLE = declared(PATTERNS.durable, {
  codec: bytes,
  delivery: 'group',
  stored: true,
  from: ['client'],
  to: ['frontend'],
  about: 'Requests that JetStream stores before they are served, if the deployment has `durable`.',
  example: examples.REQUEST,
});

const DEAD = declared(PATTERNS.dead, {
  codec: bytes,
  delivery: 'all',
  stored: true,
  from: ['frontend'],
  to: ['operator'],
  about: 'Stored requests that could not be served, with the reason in headers.',
  example: examples.REQUEST,
});

const WORK = declared(PATTERNS.work, {
  codec: bytes,
  delivery: 'owner',
  loopback: true,
  from: ['frontend', 'device'],
  to: ['device'],
  about: 'A frame of requests for one replica: one column per field, tensors end to end (plans/protocol/codec.ts).',
  example: examples.WORK,
});

const AUDIT = declared(PATTERNS.audit, {
  codec: bytes,
  delivery: 'owner',
  from: ['device'],
  to: ['device'],
  about: 'An answer for a device that holds the most accurate model to check in spare time.',
  example: examples.AUDIT,
});

export const DONE = declared(PATTERNS.done, {
  codec: doneCodec,
  delivery: 'owner',
  from: ['device'],
  to: ['frontend'],
  about: 'Requests that have ended, by their numbers at the frontend, and those that moved on to another device.',
  example: examples.DONE,
});

export const CANCEL = declared(PATTERNS.cancel, {
  codec: schemaCodec('cancel', cancellations),
  delivery: 'all',
  from: ['frontend'],
  to: ['frontend'],
  about: 'Requests that their clients have cancelled; any frontend may hold them.',
  example: examples.CANCELLATIONS,
});

export const DEVICE_CANCEL = declared(PATTERNS.deviceCancel, {
  codec: schemaCodec('cancel', cancelFrame),
  delivery: 'owner',
  loopback: true,
  from: ['frontend'],
  to: ['device'],
  about: 'Cancelled requests for the device that holds them, by their numbers at the frontend.',
  example: examples.CANCEL_FRAME,
});

export const LOAD = declared(PATTERNS.load, {
  codec: schemaCodec('load', loadReport),
  delivery: 'all',
  from: ['frontend'],
  to: ['controller', 'exporter', 'operator'],
  about: 'Arrivals in the last interval of 100 ms.',
  example: examples.LOAD,
});

export const STATE = declared(PATTERNS.state, {
  codec: schemaCodec('state', deviceState),
  delivery: 'all',
  from: ['device'],
  to: [...EVERYBODY, 'exporter', 'operator'],
  about: 'Heartbeat of a device: phase, queues, busy time, measured speed, counters.',
  example: examples.STATE,
});

export const GEAR = declared(PATTERNS.gear, {
  codec: schemaCodec('gear', gearMessage),
  delivery: 'all',
  from: ['controller'],
  to: [...EVERYBODY, 'exporter', 'operator'],
  about: 'The gear in force: on every change, and once a second.',
  example: examples.GEAR,
});

export const PLAN = declared(PATTERNS.plan, {
  codec: kept,
  delivery: 'request',
  from: ['operator'],
  to: ['controller'],
  about: 'A new gear plan, or `{"rollback": true}`, as JSON. Answered once it is in force, or with the reason for the rejection.',
  example: examples.ROLLBACK,
});

export const PIN = declared(PATTERNS.pin, {
  codec: kept,
  delivery: 'request',
  from: ['operator'],
  to: ['controller'],
  about:
    'Holds a gear regardless of the load, for a time or until `{"gear": null}`, as JSON. Answered by the controller that leads.',
  example: examples.PIN_ORDER,
});

export const PREPARE = declared(PATTERNS.prepare, {
  codec: schemaCodec('prepare', prepareMessage),
  delivery: 'all',
  from: ['controller'],
  to: [...EVERYBODY, 'exporter'],
  about: 'First phase of a plan change: learn this plan, load what is new in it, and answer on `control.prepared`.',
  example: examples.PREPARE,
});

export const TELL_PLAN = declared(PATTERNS.tellPlan, {
  codec: bytes,
  delivery: 'all',
  from: [...EVERYBODY, 'exporter'],
  to: ['controller'],
  about: 'Asks for the plan in force, from processes that missed it; it is announced again on `control.prepare`.',
  example: new Uint8Array(),
});

export const PREPARED = declared(PATTERNS.prepared, {
  codec: schemaCodec('prepared', preparedMessage),
  delivery: 'all',
  from: ['device'],
  to: ['controller'],
  about: 'Whether a device is ready for the new plan, or why not.',
  example: examples.PREPARED,
});

export const COMMIT = declared(PATTERNS.commit, {
  codec: schemaCodec('verdict', planVerdict),
  delivery: 'all',
  from: ['controller'],
  to: ['controller'],
  about: 'Second phase: the plan is in force; the next gear belongs to it.',
  example: examples.VERDICT,
});

export const ABORT = declared(PATTERNS.abort, {
  codec: schemaCodec('verdict', planVerdict),
  delivery: 'all',
  from: ['controller'],
  to: EVERYBODY,
  about: 'The plan will not take effect: forget it.',
  example: examples.VERDICT,
});

export const STATUS = declared(PATTERNS.status, {
  codec: bytes,
  delivery: 'request',
  group: 'status',
  from: ['operator'],
  to: ['controller'],
  about: 'Asks for a snapshot of the deployment; the body is empty, the answer is JSON (see `cascade status --json`).',
  example: new Uint8Array(),
});

export const EVENTS = declared(PATTERNS.events, {
  codec: schemaCodec('event', eventMessage),
  delivery: 'all',
  from: EVERYBODY,
  to: ['controller', 'exporter', 'operator'],
  about: 'What operators want to know: gears, plans, devices lost and back, slow devices, drift, losses of storage.',
  example: examples.EVENT,
});

export const DRIFT = declared(PATTERNS.drift, {
  codec: schemaCodec('drift', driftReport),
  delivery: 'all',
  from: ['controller'],
  to: ['controller', 'exporter', 'operator'],
  about: 'How far load, certainties and audited answers are from the plan; once a second.',
  example: examples.DRIFT_REPORT,
});

/** By the name of the pattern. */
export const CHANNELS = {
  infer: INFER,
  results: RESULTS,
  namedResults: NAMED_RESULTS,
  durable: DURABLE,
  dead: DEAD,
  work: WORK,
  audit: AUDIT,
  done: DONE,
  cancel: CANCEL,
  deviceCancel: DEVICE_CANCEL,
  load: LOAD,
  state: STATE,
  gear: GEAR,
  plan: PLAN,
  pin: PIN,
  prepare: PREPARE,
  tellPlan: TELL_PLAN,
  prepared: PREPARED,
  commit: COMMIT,
  abort: ABORT,
  status: STATUS,
  events: EVENTS,
  drift: DRIFT,
} as const satisfies Readonly<Record<keyof typeof PATTERNS, unknown>>;
