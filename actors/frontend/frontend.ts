import { EMPTY, from, ignoreElements, merge, type Observable, Subject, switchMap, take, takeUntil, tap } from 'rxjs';
import type { Actor, ActorContext } from '../../engine/actor/actor.ts';
import { Channels } from '../../engine/actor/channel.ts';
import type { BusMessage } from '../../engine/bus/bus.ts';
import { reconnected$ } from '../../engine/bus/reconnected.ts';
import { every } from '../../engine/clock.ts';
import { CascadeError, invalid } from '../../engine/errors.ts';
import type { Sample, TensorSpec } from '../../engine/tensor/tensor.ts';
import { TRACE_HEADER, type Tracing } from '../../engine/tracing/tracing.ts';
import { Admission, MAX_IN_FLIGHT } from '../../plans/policy/admission.ts';
import { DEADLINE_GRACE_MS } from '../../plans/policy/deadline.ts';
import { LOAD_INTERVAL_MS } from '../../plans/policy/gear-choice.ts';
import { CANCEL_HEADER, checkToken, parseCancellation, TOKEN_HEADER } from '../../plans/protocol/cancel.ts';
import { ABORT, CANCEL, DONE, GEAR, PREPARE, STATE } from '../../plans/protocol/channels.ts';
import { ClientNumbers } from '../../plans/protocol/client-of.ts';
import type { Cancellation, DeviceState, GearMessage } from '../../plans/protocol/control-messages.ts';
import type { DoneFrame, Failure, WorkItem } from '../../plans/protocol/messages.ts';
import { checkDeadline, checkId, deadlineOf, idOf, isMap, looksLikeRequest, parseRequest } from '../../plans/protocol/request.ts';
import { answerSubject, type Subjects } from '../../plans/protocol/subjects.ts';
import { type ToldReason, UNSERVED, Unserved } from '../../plans/protocol/unserved.ts';
import { acceptedFormat, answerFormat, bodyFormat, decodeUntrusted, isOpaque } from '../../plans/protocol/untrusted.ts';
import { askForPlan } from '../controller/kept-plans.ts';
import { asRevised } from '../controller/revised-plan.ts';
import { failureOf, sendFailures } from './answers.ts';
import { Cancellations } from './cancellations.ts';
import { type InFlight, InFlightTable } from './in-flight.ts';
import { Outbox } from './outbox.ts';
import { RefusalBudget } from './refusal-budget.ts';
import { Refusals } from './refusals.ts';
import { type RevisedPlan, Router } from './router.ts';
import { type Loss, suspectsOf } from './suspects.ts';
import { WaysBack } from './ways-back.ts';

export interface FrontendOptions {
  /** Token of this frontend's own subjects; unique in the deployment. */
  readonly name: string;
  readonly subjects: Subjects;
  /** The plan to begin with. */
  readonly plan: RevisedPlan;
  readonly specs: readonly TensorSpec[];
  /** Outputs that requests may ask for: those that all models have; default: none. */
  readonly outputs?: readonly string[] | undefined;
  /** Deadline of a request that names none. */
  readonly deadlineMs: number;
  /** Longest deadline: requests that name a longer one have this. Default: none. */
  readonly maxDeadlineMs?: number;
  /** Counts what this frontend takes, for the load-estimator beside it. */
  readonly arrivals$: Subject<number>;
  /** Counts the requests that get no result here. */
  readonly unserved?: Unserved;
  /** Per model: time of the smallest sample alone, as profiled on the fastest device. Default: not known. */
  readonly leastMs?: readonly number[];
  /** Called when this frontend has begun to take requests. */
  readonly onReady?: () => void;
  /** Where spans go; default: nothing is traced. */
  readonly tracing?: Tracing | undefined;
  /** Requests that a batch of any model has at most. */
  readonly largestBatch: number;
  readonly maxInFlight?: number;
  readonly maxInFlightBytes?: number;
}

const MAX_IN_FLIGHT_BYTES = 512 * 2 ** 20;
/** The simulator has it so: what is waited for in vain is given up whenever the arrivals are reported. */
const SWEEP_INTERVAL_MS = LOAD_INTERVAL_MS;
const NOTHING = new Uint8Array(0);
/** Each request of a frame has its own answer: a small body must not make us say a million things. */
const FRAME_MAX_REQUESTS = 4_096;
/** A frontend that cannot route says what it waits for. */
const STILL_WAITING_MS = 10_000;
/** A work frame holds a request and some bytes about it, within the server's maximum payload. */
const FRAME_HEADROOM_BYTES = 4_096;

/**
 * Takes requests from clients: decodes, validates, chooses the replica of the gear's first model, and keeps what is in flight
 * so that nothing is lost when a device is. The answers go from the replicas straight to the clients.
 */
export function frontendActor(options: FrontendOptions): Actor {
  // Goes on after a restart of the actor: notes about what an earlier one took must not end what this one takes.
  let sequence = 0;
  return {
    name: `frontend-${options.name}`,
    description: 'takes inference requests and sends them to the first model of the gear in force',
    behaviour: (context) => new Frontend(options, context, () => sequence++).run(),
  };
}

/** What a message says of all requests in it. */
interface Envelope {
  /** Of its body. */
  readonly bytes: number;
  readonly reply: string;
  readonly json: boolean;
  readonly id: string | undefined;
  readonly deadlineMs: number | undefined;
  readonly token: string | undefined;
  readonly traceparent: string | undefined;
  /** Whose it is; and as the admission counts it. */
  readonly sender: number;
  readonly client: number;
}

class Frontend {
  readonly #options: FrontendOptions;
  readonly #context: ActorContext;
  readonly #channels: Channels;
  readonly #router: Router;
  readonly #outbox: Outbox;
  readonly #inFlight: InFlightTable;
  readonly #admission: Admission;
  readonly #unserved: Unserved;
  readonly #waysBack = new WaysBack();
  readonly #cancellations: Cancellations;
  readonly #clients = new ClientNumbers();
  readonly #refusalBudget = new RefusalBudget();
  readonly #routable$ = new Subject<void>();
  readonly #idle$ = new Subject<void>();
  readonly #maxBodyBytes: number;
  readonly #nextSeq: () => number;
  #sentNumber = 0;

  constructor(options: FrontendOptions, context: ActorContext, nextSeq: () => number) {
    this.#nextSeq = nextSeq;
    this.#options = options;
    this.#context = context;
    this.#channels = new Channels(options.subjects.root, context);
    this.#router = new Router(options.plan);
    this.#admission = new Admission(() => Math.max(...this.#router.devices.map((device) => this.#router.backlogMs(device))));
    this.#outbox = new Outbox(context.bus, context.clock, options.specs);
    this.#unserved = options.unserved ?? new Unserved();
    this.#cancellations = new Cancellations(context.bus, context.clock, this.#channels, options.name);
    this.#maxBodyBytes = context.bus.maxPayloadBytes - FRAME_HEADROOM_BYTES;
    this.#inFlight = new InFlightTable({
      maxRequests: options.maxInFlight ?? MAX_IN_FLIGHT,
      maxBytes: options.maxInFlightBytes ?? MAX_IN_FLIGHT_BYTES,
    });
  }

  run(): Observable<unknown> {
    const { bus, clock, drops, stopping$ } = this.#context;
    const { subjects, name } = this.#options;
    const channels = this.#channels;
    const drained$ = new Subject<void>();
    let draining = false;
    const leaveWhenIdle = (): void => {
      if (draining && this.#inFlight.size === 0) drained$.next();
    };
    // A frontend joins the queue group only when it can route: until then the others, if any, serve.
    const requests$ = this.#routable$.pipe(
      take(1),
      takeUntil(stopping$),
      switchMap(() => {
        const messages$ = bus.messages$(subjects.infer, { queue: 'frontends', until: stopping$ });
        return merge(messages$, this.#announceReady());
      }),
      tap({
        next: (message) => this.#take(message),
        complete: () => {
          draining = true;
          leaveWhenIdle();
        },
      }),
    );
    const background$ = merge(
      // Not `exclusive`: a note that comes through the server, after the answer that it is about, tells that this has reached the server.
      channels.receive$(DONE, { frontend: name }).pipe(tap((frame) => this.#done(frame))),
      channels.receive$(CANCEL).pipe(tap((cancellations) => this.#cancel(cancellations))),
      channels.receive$(GEAR).pipe(tap((gear) => this.#shift(gear))),
      channels.receive$(PREPARE).pipe(
        asRevised(this.#router, drops),
        tap((revised) => this.#router.learn(revised)),
      ),
      channels.receive$(ABORT).pipe(tap(({ revision }) => this.#router.forget(revision))),
      channels.receive$(STATE).pipe(tap((state) => this.#observe(state))),
      // Without a connection nothing can be concluded, nor said.
      bus.status$.pipe(
        switchMap((status) => (status === 'up' ? every(clock, SWEEP_INTERVAL_MS) : EMPTY)),
        tap(() => this.#sweep()),
      ),
      reconnected$(bus).pipe(tap(() => this.#router.markStale(clock.now()))),
      every(clock, STILL_WAITING_MS).pipe(
        takeUntil(this.#routable$),
        tap(() => this.#context.log.warn({ models: this.#router.missing }, 'no requests are taken: no device has these models')),
      ),
      this.#idle$.pipe(tap(leaveWhenIdle)),
    ).pipe(takeUntil(drained$));
    return merge(background$, requests$).pipe(ignoreElements());
  }

  /** Ready is when the server knows of our subscription. */
  #announceReady(): Observable<never> {
    return from(this.#context.bus.flush()).pipe(
      tap(() => this.#options.onReady?.()),
      ignoreElements(),
    );
  }

  #take(message: BusMessage): void {
    const contentType = message.header('Content-Type');
    const accept = message.header('Accept');
    const json = answerFormat(message.data, contentType, accept) === 'json';
    let reply = this.#options.subjects.results;
    let id: string | undefined;
    const sender = this.#clients.of(message);
    try {
      reply = answerSubject(this.#options.subjects, message.reply, message.header('Cascade-Results'));
      id = headerId(message);
      acceptedFormat(accept);
      if (message.data.length > this.#maxBodyBytes) {
        throw invalid(`body of ${message.data.length} bytes; at most ${this.#maxBodyBytes} are accepted`);
      }
      const cancelled = message.header(CANCEL_HEADER);
      if (cancelled !== undefined) {
        const cancellation = parseCancellation(cancelled, message.data, contentType);
        this.#cancellations.tellFrontends(cancellation, message.data.length);
        this.#waysBack.unused(reply, this.#context.clock.now());
        return;
      }
      const closedForMs = this.#refusalBudget.closedForMs(sender, this.#context.clock.now());
      if (closedForMs !== undefined) {
        this.#refuseUnread(reply, id, closedForMs, json);
        return;
      }
      const envelope: Envelope = {
        bytes: message.data.length,
        reply,
        json,
        id,
        deadlineMs: headerDeadline(message),
        token: headerToken(message),
        traceparent: this.#options.tracing && message.header(TRACE_HEADER),
        sender,
        client: this.#admission.clientOf(sender),
      };
      if (isOpaque(contentType)) {
        this.#takeEach([rawBody(this.#options.specs, message.data)], envelope);
        return;
      }
      const body = decodeUntrusted(message.data, bodyFormat(message.data, contentType));
      if (!Array.isArray(body)) {
        this.#takeEach([body], envelope);
        return;
      }
      if (body.length === 0) throw invalid('a frame is a list of at least one request; this one is empty');
      if (body.length > FRAME_MAX_REQUESTS)
        throw invalid(`a frame of ${body.length} requests; at most ${FRAME_MAX_REQUESTS} are accepted in one`);
      // One answer for all: a list of numbers is no frame, but what somebody took for a request.
      if (!body.some(isMap)) parseRequest(body[0], this.#options.specs, this.#options.outputs);
      this.#takeEach(body, { ...envelope, id: undefined });
    } catch (error) {
      this.#waysBack.taken(reply);
      sendFailures(this.#context.bus, reply, [this.#failure(id, error)], json);
      const now = this.#context.clock.now();
      this.#waysBack.ended(reply, now);
      this.#refusalBudget.spend(sender, 1, 1, message.data.length, now);
    }
  }

  /** One answer for all that is in a message, of a client that had too much wrong. */
  #refuseUnread(reply: string, id: string | undefined, closedForMs: number, json: boolean): void {
    const message = `too many requests of this client were wrong; its messages are read again in ${closedForMs} ms`;
    this.#waysBack.taken(reply);
    sendFailures(this.#context.bus, reply, [this.#refusal(id, 'wrong-too-often', message, closedForMs)], json);
    this.#waysBack.ended(reply, this.#context.clock.now());
  }

  /** The requests of a message: each fails alone, and the errors of all of them are said together. */
  #takeEach(values: readonly unknown[], envelope: Envelope): void {
    const { reply, json, sender } = envelope;
    const refusals = new Refusals(envelope.bytes);
    this.#waysBack.taken(reply);
    let wrong = 0;
    for (const value of values) {
      // What is wrong with requests like these has been told often enough.
      if (refusals.areMany && !looksLikeRequest(value)) {
        refusals.addUnread(idOf(value));
        this.#unserved.count('invalid');
        wrong++;
        continue;
      }
      try {
        const failure = this.#admit(value, envelope);
        if (failure !== undefined) refusals.add(failure);
      } catch (error) {
        const failure = this.#failure(idOf(value) ?? envelope.id, error);
        refusals.add(failure);
        if (failure.error.code === 'INVALID_ARGUMENT') wrong++;
      }
    }
    sendFailures(this.#context.bus, reply, refusals.failures, json);
    const now = this.#context.clock.now();
    this.#waysBack.ended(reply, now);
    if (wrong > 0) this.#refusalBudget.spend(sender, wrong, values.length, envelope.bytes, now);
  }

  #failure(id: string | undefined, thrown: unknown): Failure {
    const { code, message, retryAfterMs } = failureOf(thrown);
    this.#unserved.count(code === 'INVALID_ARGUMENT' ? 'invalid' : code === 'RESOURCE_EXHAUSTED' ? 'no-room' : 'defect');
    if (code === 'INTERNAL') this.#context.log.error({ err: thrown }, 'request failed');
    return { id: id ?? '', error: { code, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) } };
  }

  /**
   * Undefined when the request is on its way; else what is to be answered.
   * @throws CascadeError as well; an overloaded frontend does not look at the inputs, and refuses also what is wrong.
   */
  #admit(value: unknown, envelope: Envelope): Failure | undefined {
    const { reply, json, id, deadlineMs: commonDeadlineMs, token, client } = envelope;
    const now = this.#context.clock.now();
    const wantedMs = deadlineOf(value) ?? commonDeadlineMs ?? this.#options.deadlineMs;
    const deadlineMs = Math.min(wantedMs, this.#options.maxDeadlineMs ?? Number.POSITIVE_INFINITY);
    const leastMs = this.#leastMs();
    // However long it waits for a better moment: this is not overload, and no gear helps.
    if (deadlineMs < leastMs) {
      const needed = `${Math.ceil(leastMs)} ms that model ${this.#router.models[this.#router.gear.cascade[0]]} takes at least`;
      return this.#refusal(
        idOf(value) ?? id,
        'impossible-deadline',
        `the deadline of ${deadlineMs} ms is shorter than the ${needed}; allow more`,
      );
    }
    const hasRoom = this.#admission.mayFill(this.#inFlight.fill, client);
    const retryAfterMs = hasRoom ? this.#admission.retryAfterMs(deadlineMs, client) : this.#admission.roomAfterMs();
    // A refused request is load, too: the gear is chosen by what is asked for.
    if (retryAfterMs !== undefined) {
      this.#options.arrivals$.next(1);
      const message = `overloaded: no answer is expected within the deadline; ask again after ${retryAfterMs} ms`;
      return this.#refusal(idOf(value) ?? id, hasRoom ? 'overloaded' : 'no-room', message, retryAfterMs);
    }
    const request = parseRequest(value, this.#options.specs, this.#options.outputs);
    const seq = this.#nextSeq();
    this.#options.arrivals$.next(1);
    const span = this.#options.tracing?.start({
      name: 'cascade.request',
      kind: 'server',
      parent: envelope.traceparent,
      startedAt: now,
    });
    const item: WorkItem = {
      seq,
      client,
      id: request.id ?? id ?? `${this.#options.name}-${seq}`,
      reply,
      json,
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
    const entry: InFlight = { item, token, cancelled: false, ticket: 0, device: '', sentNumber: 0, deaths: 0, span };
    if (!this.#inFlight.add(entry)) {
      throw new CascadeError(
        'RESOURCE_EXHAUSTED',
        `the ${this.#inFlight.size} requests in flight at this frontend leave no room for this one; try again later`,
        this.#admission.roomAfterMs(),
      );
    }
    entry.ticket = this.#admission.started(now, client);
    this.#waysBack.taken(reply);
    return this.#send(entry);
  }

  #refusal(id: string | undefined, reason: ToldReason, message: string, retryAfterMs?: number): Failure {
    this.#unserved.count(reason);
    const { code } = UNSERVED[reason];
    return { id: id ?? '', error: { code, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) } };
  }

  /** Time that the first model takes at least, at the measured speed; 0 where it is not known. */
  #leastMs(): number {
    const model = this.#router.gear.cascade[0];
    return (this.#options.leastMs?.[model] ?? 0) * this.#router.leastFactor(model);
  }

  /** Undefined when the request is on its way; else it has ended, and this is to be answered. */
  #send(entry: InFlight): Failure | undefined {
    const model = this.#router.gear.cascade[0];
    const device = this.#router.route(model);
    if (device === undefined) {
      const name = this.#router.models[model];
      return this.#giveUp(entry, 'no-device', `no device that holds model ${name} can be reached; try again later`);
    }
    entry.device = device;
    entry.sentNumber = this.#sentNumber++;
    const subject = this.#options.subjects.work(device, this.#router.models[model]);
    if (this.#outbox.add(subject, this.#options.name, entry.item)) return undefined;
    const limit = `the limit of ${this.#context.bus.maxPayloadBytes} bytes of the NATS server`;
    const advice = 'send less, or raise its max_payload';
    return this.#giveUp(entry, 'too-large', `the inputs, as tensors, are above ${limit}; ${advice}`);
  }

  #done(frame: DoneFrame): void {
    // Which of them were dropped is of no interest, only how many.
    let { dropped } = frame;
    for (const seq of frame.finished) this.#end(seq, dropped-- <= 0);
    for (const { device, seqs } of frame.moved) {
      for (const seq of seqs) {
        const entry = this.#inFlight.get(seq);
        if (entry === undefined) continue;
        entry.device = device;
        entry.sentNumber = this.#sentNumber++;
        // The device was lost or left between the sender's routing and this note: nobody else would send it again.
        if (this.#router.isGone(device)) this.#sendAgain(entry);
        // It went on before its last device had heard of it.
        else if (entry.cancelled) this.#cancellations.tellDevice(entry);
      }
    }
    if (this.#inFlight.size === 0) this.#idle$.next();
  }

  #cancel(cancellations: readonly Cancellation[]): void {
    for (const cancellation of cancellations)
      for (const entry of this.#inFlight.cancel(cancellation)) this.#cancellations.tellDevice(entry);
  }

  #shift(message: GearMessage): void {
    if (!this.#router.apply(message)) askForPlan(this.#context.bus, this.#options.subjects);
  }

  #observe(state: DeviceState): void {
    const loss = this.#router.observe(state, this.#context.clock.now());
    if (loss !== undefined) this.#lose(state.device, loss, state.phase === 'left' ? 'left' : 'was restarted');
    if (this.#router.complete) this.#routable$.next();
  }

  #sweep(): void {
    const now = this.#context.clock.now();
    for (const reply of this.#waysBack.closable(now)) this.#context.bus.publish(reply, NOTHING);
    const lost = this.#router.sweep(now);
    // What the devices said while we were stopped has still to be read.
    if (lost === undefined) return;
    for (const entry of this.#inFlight.expired(now - DEADLINE_GRACE_MS)) {
      const deadlineMs = Math.round(entry.item.deadlineAt - entry.item.arrivedAt);
      if (entry.cancelled) this.#letGo(entry);
      else this.#answer(entry, this.#giveUp(entry, 'no-answer', `no answer within the deadline of ${deadlineMs} ms`));
    }
    // After those were told that they are too late: sent again they would only be in the way.
    for (const [device, loss] of lost) this.#lose(device, loss, 'is silent');
    if (this.#inFlight.size === 0) this.#idle$.next();
  }

  #lose(device: string, loss: Loss, why: string): void {
    const entries = this.#inFlight.on(device);
    const suspects = suspectsOf(entries, loss, this.#options.name, this.#options.largestBatch);
    this.#context.log[entries.length > 0 ? 'warn' : 'info'](
      { device, requests: entries.length, alone: suspects.size },
      `device ${why}; its requests are sent again`,
    );
    for (const entry of entries) {
      if (loss.died && loss.told === undefined) entry.deaths++;
      if (suspects.has(entry)) this.#tryAlone(entry, loss);
      else this.#sendAgain(entry);
    }
  }

  /** Once: a request that is on a device when it dies, and nothing else is, is the cause. */
  #tryAlone(entry: InFlight, { told }: Loss): void {
    if (!entry.cancelled && entry.item.alone && told !== undefined) {
      const words = 'a device that had this request was lost, and then another while it computed nothing else';
      this.#answer(entry, this.#giveUp(entry, 'deadly', `${words}; it is not tried again`, true));
      return;
    }
    entry.item = { ...entry.item, alone: true };
    this.#sendAgain(entry);
  }

  #sendAgain(entry: InFlight): void {
    if (entry.cancelled) {
      this.#letGo(entry);
      return;
    }
    const failure = this.#send(entry);
    if (failure !== undefined) this.#answer(entry, failure);
  }

  /** Of one that its client gave up: its device does not tell what became of it. */
  #letGo({ item }: InFlight): void {
    this.#unserved.count('unheard');
    this.#end(item.seq, false);
  }

  #end(seq: number, completed: boolean): void {
    const entry = this.#inFlight.remove(seq);
    if (entry === undefined) return;
    const now = this.#context.clock.now();
    entry.span?.end(now, { 'cascade.request.id': entry.item.id, 'cascade.device': entry.device });
    this.#admission.ended(entry.ticket, now - entry.item.arrivedAt, completed, now, entry.item.client);
    this.#waysBack.ended(entry.item.reply, now);
  }

  #giveUp({ item, span }: InFlight, reason: ToldReason, message: string, final = false): Failure {
    const { code } = UNSERVED[reason];
    span?.end(this.#context.clock.now(), { 'cascade.request.id': item.id }, `${code}: ${message}`);
    this.#unserved.count(reason);
    this.#end(item.seq, false);
    return { id: item.id, error: { code, message, ...(final ? { final } : {}) } };
  }

  #answer({ item }: InFlight, failure: Failure): void {
    sendFailures(this.#context.bus, item.reply, [failure], item.json);
  }
}

function headerId(message: BusMessage): string | undefined {
  const id = message.header('Cascade-Id');
  if (id !== undefined) checkId(id);
  return id;
}

function headerToken(message: BusMessage): string | undefined {
  const token = message.header(TOKEN_HEADER);
  return token === undefined ? undefined : checkToken(token, TOKEN_HEADER);
}

function headerDeadline(message: BusMessage): number | undefined {
  const text = message.header('Cascade-Deadline-Ms');
  if (text === undefined) return undefined;
  const deadlineMs = text.trim() === '' ? Number.NaN : Number(text);
  // What is no number is shown as it came.
  checkDeadline(Number.isNaN(deadlineMs) ? text : deadlineMs);
  return deadlineMs;
}

/** The body is the bytes of the family's only input. */
function rawBody(specs: readonly TensorSpec[], data: Uint8Array): unknown {
  if (specs.length !== 1) {
    throw invalid(
      `Content-Type application/octet-stream is for families of one input; this one has ${specs.map((spec) => spec.name).join(', ')}`,
    );
  }
  return { inputs: { [specs[0].name]: data } };
}

/** Bytes of a message are valid during its delivery only, and a small view would keep the whole network buffer. */
function ownCopy(sample: Sample): Sample {
  return sample.map(({ data, shape }) => ({ data: copyOf(data), shape }));
}

/** A small one shares 8 kB with others of its time: memory of its own costs several times as much as the copying. */
function copyOf(data: Uint8Array): Uint8Array {
  const { buffer, byteOffset, length } = Buffer.from(data);
  return new Uint8Array(buffer, byteOffset, length);
}
