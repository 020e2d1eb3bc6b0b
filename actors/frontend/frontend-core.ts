import { drop, NO_EFFECTS, note, perform, send } from '../../engine/actor/effect.ts';
import { MalformedMessage } from '../../engine/errors.ts';
import type { Sample, TensorSpec } from '../../engine/tensor/tensor.ts';
import type { Tracing } from '../../engine/tracing/tracing.ts';
import { Admission } from '../../plans/policy/admission.ts';
import { TELL_PLAN } from '../../plans/protocol/channels.ts';
import type {
  Cancellation,
  DeviceState,
  GearMessage,
  PlanVerdict,
  PrepareMessage,
} from '../../plans/protocol/control-messages.ts';
import type { DoneFrame, Failure, WorkItem } from '../../plans/protocol/messages.ts';
import { deadlineOf, idOf, looksLikeRequest, parseRequest } from '../../plans/protocol/request.ts';
import { type ReportedReason, UNSERVED, Unserved } from '../../plans/protocol/unserved.ts';
import { revisedOrMalformed } from '../controller/revised-plan.ts';
import { failureOf } from './answers.ts';
import { Flights } from './flights.ts';
import type { FrontendEffect } from './frontend-effects.ts';
import type { Envelope, Opened } from './intake.ts';
import { RefusalBudget } from './refusal-budget.ts';
import { Refusals } from './refusals.ts';
import { ReplyRoutes } from './reply-routes.ts';
import { type RevisedPlan, Router } from './router.ts';

export interface FrontendCoreOptions {
  /** Name of this frontend in subjects; unique in the deployment. */
  readonly name: string;
  /** The initial plan. */
  readonly plan: RevisedPlan;
  readonly specs: readonly TensorSpec[];
  /** Outputs that requests may ask for, which all models have; default: none. */
  readonly outputs?: readonly string[] | undefined;
  /** Default deadline of a request. */
  readonly deadlineMs: number;
  /** Maximum deadline; longer ones are cut to it. Default: no maximum. */
  readonly maxDeadlineMs?: number;
  /** Counts the requests that get no result here. */
  readonly unserved?: Unserved;
  /** Per model: time of the smallest sample alone, as profiled on the fastest device. Default: unknown. */
  readonly leastMs?: readonly number[];
  /** Default: no tracing. */
  readonly tracing?: Tracing | undefined;
  /** Maximum batch size over all models. */
  readonly largestBatch: number;
  readonly maxInFlight?: number;
  readonly maxInFlightBytes?: number;
}

const ARRIVED = perform({ type: 'arrived', requests: 1 } as const);

/** What the core needs from its process. */
interface Surroundings {
  /** Of the NATS server. */
  readonly maxPayloadBytes: number;
  /** Returns a number that no other request of this frontend has. */
  readonly nextSeq: () => number;
}

/** Decides what a frontend does with requests. Runs for each request, so its state is mutable. */
export class FrontendCore {
  readonly #options: FrontendCoreOptions & Surroundings;
  readonly #router: Router;
  readonly #admission: Admission;
  readonly #flights: Flights;
  readonly #unserved: Unserved;
  readonly #replyRoutes = new ReplyRoutes();
  readonly #refusalBudget = new RefusalBudget();
  #routable = false;
  #draining = false;

  /** @param before the core of this actor before it was restarted. */
  constructor(options: FrontendCoreOptions & Surroundings, before?: FrontendCore) {
    const { name, largestBatch, maxPayloadBytes, maxInFlight, maxInFlightBytes } = options;
    const router = new Router(before?.inForce ?? options.plan);
    const unserved = options.unserved ?? new Unserved();
    const admission = new Admission(() => Math.max(...router.devices.map((device) => router.backlogMs(device))));
    const replyRoutes = this.#replyRoutes;
    this.#options = options;
    this.#router = router;
    this.#unserved = unserved;
    this.#admission = admission;
    this.#flights = new Flights({
      ...{ name, router, admission, replyRoutes, unserved },
      ...{ largestBatch, maxPayloadBytes, maxInFlight, maxInFlightBytes },
    });
  }

  get inForce(): RevisedPlan {
    return this.#router.inForce;
  }

  /** Whether nothing is in flight and nothing more will come. */
  get isDrained(): boolean {
    return this.#draining && this.#flights.size === 0;
  }

  /** If a client sent too many invalid requests, how long its messages will not be read; otherwise undefined. */
  closedForMs(sender: number, now: number): number | undefined {
    return this.#refusalBudget.closedForMs(sender, now);
  }

  /** Handles a client's message. */
  take(opened: Opened, now: number): readonly FrontendEffect[] {
    switch (opened.type) {
      case 'end':
        this.#draining = true;
        return NO_EFFECTS;
      case 'requests':
        return this.#takeEach(opened.values, opened.envelope, now);
      case 'cancellation': {
        const { cancellation, address } = opened;
        this.#replyRoutes.unused(address.reply, now);
        return [perform({ type: 'pass-on', cancellation, bytes: address.bytes })];
      }
      case 'unread': {
        const { closedForMs, address } = opened;
        const message = `too many invalid requests from this client; its messages are read again in ${closedForMs} ms`;
        this.#replyRoutes.unused(address.reply, now);
        return [fail(address, [this.#refusal(address.id, 'wrong-too-often', message, closedForMs)])];
      }
      case 'unreadable': {
        const { error, address } = opened;
        const out: FrontendEffect[] = [];
        out.push(fail(address, [this.#failure(address.id, error, out)]));
        this.#replyRoutes.unused(address.reply, now);
        if (!address.stored) this.#refusalBudget.spend(address.sender, 1, 1, address.bytes, now);
        return out;
      }
    }
  }

  /** A device reports requests that have ended or moved on. */
  onDone(frame: DoneFrame, now: number): readonly FrontendEffect[] {
    const out: FrontendEffect[] = [];
    this.#flights.done(frame, now, out);
    return out;
  }

  onCancel(cancellations: readonly Cancellation[]): readonly FrontendEffect[] {
    const out: FrontendEffect[] = [];
    for (const cancellation of cancellations) this.#flights.cancel(cancellation, out);
    return out;
  }

  onGear(message: GearMessage): readonly FrontendEffect[] {
    return this.#router.apply(message) ? NO_EFFECTS : [send(TELL_PLAN, new Uint8Array())];
  }

  onPrepare(message: PrepareMessage): readonly FrontendEffect[] {
    const revised = revisedOrMalformed(message, this.#router);
    if (revised instanceof MalformedMessage) return [drop(revised)];
    this.#router.learn(revised);
    return NO_EFFECTS;
  }

  onAbort({ revision }: PlanVerdict): readonly FrontendEffect[] {
    this.#router.forget(revision);
    return NO_EFFECTS;
  }

  onState(state: DeviceState, now: number): readonly FrontendEffect[] {
    const out: FrontendEffect[] = [];
    const loss = this.#router.observe(state, now);
    if (loss !== undefined) this.#flights.lose(state.device, loss, state.phase === 'left' ? 'left' : 'was restarted', now, out);
    if (!this.#routable && this.#router.complete) {
      this.#routable = true;
      out.push(perform({ type: 'routable' }));
    }
    return out;
  }

  /** A request turned out not to fit into a message of the server. */
  onTooLarge(seq: number, maxPayloadBytes: number, now: number): readonly FrontendEffect[] {
    const out: FrontendEffect[] = [];
    this.#flights.tooLarge(seq, maxPayloadBytes, now, out);
    return out;
  }

  /** Heartbeats sent while the connection was down are lost. */
  reconnected(now: number): readonly FrontendEffect[] {
    this.#router.markStale(now);
    return NO_EFFECTS;
  }

  /** Handles silent devices and late requests. Not called without a connection, when we can neither judge nor answer. */
  sweep(now: number): readonly FrontendEffect[] {
    const out: FrontendEffect[] = this.#replyRoutes.closable(now).map((reply) => perform({ type: 'close-reply', reply }));
    const lost = this.#router.sweep(now);
    // We were paused ourselves, and heartbeats from that time are still unread.
    if (lost === undefined) return out;
    this.#flights.expire(now, out);
    // After late requests have ended, so that they are not sent again.
    for (const [device, loss] of lost) this.#flights.lose(device, loss, 'is silent', now, out);
    return out;
  }

  /** Logs what a frontend that cannot route is waiting for. */
  remind(): readonly FrontendEffect[] {
    if (this.#routable) return NO_EFFECTS;
    return [note('warn', 'not accepting requests: no device has these models', { models: this.#router.missing })];
  }

  /** Handles the requests of a message one by one, and answers all their errors together. */
  #takeEach(values: readonly unknown[], envelope: Envelope, now: number): readonly FrontendEffect[] {
    const out: FrontendEffect[] = [];
    const { reply, sender, stored, bytes } = envelope;
    const refusals = new Refusals(bytes);
    const client = this.#admission.clientOf(sender);
    this.#replyRoutes.taken(reply);
    let wrong = 0;
    for (const value of values) {
      // After many refusals, do not spend time on describing further ones.
      if (refusals.areMany && !looksLikeRequest(value)) {
        refusals.addUnread(idOf(value));
        this.#unserved.count('invalid');
        wrong++;
        continue;
      }
      try {
        const failure = this.#admit(value, envelope, client, now, out);
        if (failure !== undefined) refusals.add(failure);
      } catch (error) {
        const failure = this.#failure(idOf(value) ?? envelope.id, error, out);
        refusals.add(failure);
        if (failure.error.code === 'INVALID_ARGUMENT') wrong++;
      }
    }
    const { failures } = refusals;
    if (failures.length > 0) out.push(fail(envelope, failures));
    this.#replyRoutes.ended(reply, now);
    if (wrong > 0 && !stored) this.#refusalBudget.spend(sender, wrong, values.length, bytes, now);
    return out;
  }

  /**
   * Accepts a request, or returns the failure to answer with. An overloaded frontend refuses requests without reading their inputs.
   * @throws CascadeError INVALID_ARGUMENT for an invalid request, RESOURCE_EXHAUSTED when it does not fit.
   */
  #admit(value: unknown, envelope: Envelope, client: number, now: number, out: FrontendEffect[]): Failure | undefined {
    const { specs, outputs, name, nextSeq, tracing, maxDeadlineMs = Number.POSITIVE_INFINITY } = this.#options;
    // The deadline in the body of a stored request counts from when it was stored; the envelope says how much is left.
    const own = envelope.stored ? envelope.deadlineMs : (deadlineOf(value) ?? envelope.deadlineMs);
    const deadlineMs = Math.min(own ?? this.#options.deadlineMs, maxDeadlineMs);
    const impossible = this.#impossible(deadlineMs);
    if (impossible !== undefined) return this.#refusal(idOf(value) ?? envelope.id, 'impossible-deadline', impossible);
    const hasRoom = this.#admission.mayFill(this.#flights.fill, client);
    const retryAfterMs = hasRoom ? this.#admission.retryAfterMs(deadlineMs, client) : this.#admission.roomAfterMs();
    // A refused request counts as load, too, because the gear must follow the demand.
    if (retryAfterMs !== undefined) {
      out.push(ARRIVED);
      const message = `overloaded: no answer is expected within the deadline; ask again after ${retryAfterMs} ms`;
      return this.#refusal(idOf(value) ?? envelope.id, hasRoom ? 'overloaded' : 'no-room', message, retryAfterMs);
    }
    const request = parseRequest(value, specs, outputs);
    out.push(ARRIVED);
    const seq = nextSeq();
    const span = tracing?.start({ name: 'cascade.request', kind: 'server', parent: envelope.traceparent, startedAt: now });
    const item: WorkItem = {
      seq,
      client,
      id: request.id ?? envelope.id ?? `${name}-${seq}`,
      reply: envelope.reply,
      json: envelope.json,
      wantScores: request.wantScores,
      wantOutputs: request.wantOutputs.length === 0 ? undefined : request.wantOutputs,
      alone: false,
      arrivedAt: now,
      deadlineAt: now + deadlineMs,
      queueMs: 0,
      computeMs: 0,
      opinion: undefined,
      trace: span?.traceparent,
      sample: ownCopy(request.sample),
    };
    return this.#flights.begin(item, { token: envelope.token, span }, now, out);
  }

  /**
   * Why no device can meet a deadline, not even an idle one; undefined: one may. This is not overload: another gear would not help.
   */
  #impossible(deadlineMs: number): string | undefined {
    const model = this.#router.gear.cascade[0];
    // At the measured speed; 0 if unknown.
    const leastMs = (this.#options.leastMs?.[model] ?? 0) * this.#router.leastFactor(model);
    if (deadlineMs >= leastMs) return undefined;
    const needed = `${Math.ceil(leastMs)} ms that model ${this.#router.models[model]} takes at least`;
    return `the deadline of ${deadlineMs} ms is shorter than the ${needed}; allow more`;
  }

  #failure(id: string | undefined, thrown: unknown, out: FrontendEffect[]): Failure {
    const { code, message, retryAfterMs } = failureOf(thrown);
    this.#unserved.count(code === 'INVALID_ARGUMENT' ? 'invalid' : code === 'RESOURCE_EXHAUSTED' ? 'no-room' : 'defect');
    if (code === 'INTERNAL') out.push(note('error', 'request failed', { err: thrown }));
    return { id: id ?? '', error: { code, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) } };
  }

  #refusal(id: string | undefined, reason: ReportedReason, message: string, retryAfterMs?: number): Failure {
    this.#unserved.count(reason);
    const { code } = UNSERVED[reason];
    return { id: id ?? '', error: { code, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) } };
  }
}

function fail({ reply, json }: Pick<Envelope, 'reply' | 'json'>, failures: readonly Failure[]): FrontendEffect {
  return perform({ type: 'fail', reply, json, failures });
}

/** The bytes of a message are only valid during its delivery, and a small view would keep the whole network buffer alive. */
function ownCopy(sample: Sample): Sample {
  return sample.map(({ data, shape }) => ({ data: copyOf(data), shape }));
}

/** `Buffer.from` takes small copies from a shared 8 kB pool; separate allocations cost several times as much as the copying. */
function copyOf(data: Uint8Array): Uint8Array {
  const { buffer, byteOffset, length } = Buffer.from(data);
  return new Uint8Array(buffer, byteOffset, length);
}
