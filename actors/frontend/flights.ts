import { note, perform } from '../../engine/actor/effect.ts';
import { CascadeError } from '../../engine/errors.ts';
import { type Admission, MAX_IN_FLIGHT } from '../../plans/policy/admission.ts';
import { DEADLINE_GRACE_MS } from '../../plans/policy/deadline.ts';
import { estimatedBytes } from '../../plans/protocol/codec.ts';
import type { Cancellation } from '../../plans/protocol/control-messages.ts';
import type { DoneFrame, Failure, WorkItem } from '../../plans/protocol/messages.ts';
import { type ReportedReason, UNSERVED, type Unserved } from '../../plans/protocol/unserved.ts';
import type { FrontendEffect } from './frontend-effects.ts';
import { type InFlight, InFlightTable } from './in-flight.ts';
import { largestItemBytes } from './outbox.ts';
import type { ReplyRoutes } from './reply-routes.ts';
import type { Router } from './router.ts';
import { type Loss, suspectsOf } from './suspects.ts';

const MAX_IN_FLIGHT_BYTES = 512 * 2 ** 20;

export interface FlightsOptions {
  /** Name of the frontend. */
  readonly name: string;
  readonly router: Router;
  readonly admission: Admission;
  readonly replyRoutes: ReplyRoutes;
  readonly unserved: Unserved;
  /** Maximum batch size over all models. */
  readonly largestBatch: number;
  /** Of the NATS server. */
  readonly maxPayloadBytes: number;
  readonly maxInFlight?: number | undefined;
  readonly maxInFlightBytes?: number | undefined;
}

/**
 * The requests that a frontend has accepted, until they end. Sends each to a device, sends it again if the device is lost, and answers
 * it with an error if nobody else can. Each call adds its effects to `out`.
 */
export class Flights {
  readonly #options: FlightsOptions;
  readonly #table: InFlightTable;
  readonly #largestItemBytes: number;
  #sentNumber = 0;

  constructor(options: FlightsOptions) {
    const { maxInFlight = MAX_IN_FLIGHT, maxInFlightBytes = MAX_IN_FLIGHT_BYTES, maxPayloadBytes } = options;
    this.#options = options;
    this.#table = new InFlightTable({ maxRequests: maxInFlight, maxBytes: maxInFlightBytes });
    this.#largestItemBytes = largestItemBytes(maxPayloadBytes);
  }

  get size(): number {
    return this.#table.size;
  }

  /** Used share of the bounds. */
  get fill(): number {
    return this.#table.fill;
  }

  /**
   * Sends a request to a device. Returns the failure to answer with, if that is impossible.
   * @throws CascadeError RESOURCE_EXHAUSTED when one more does not fit.
   */
  begin(item: WorkItem, of: Pick<InFlight, 'token' | 'span'>, now: number, out: FrontendEffect[]): Failure | undefined {
    const { admission, replyRoutes } = this.#options;
    const { token, span } = of;
    const entry: InFlight = { item, token, cancelled: false, ticket: 0, device: '', sentNumber: 0, deaths: 0, span };
    if (!this.#table.add(entry)) {
      throw new CascadeError(
        'RESOURCE_EXHAUSTED',
        `the ${this.#table.size} requests in flight at this frontend leave no room for this one; try again later`,
        admission.roomAfterMs(),
      );
    }
    entry.ticket = admission.started(now, item.client ?? 0);
    replyRoutes.taken(item.reply);
    return this.#send(entry, now, out);
  }

  /** A device reports requests that have ended or moved on. */
  done(frame: DoneFrame, now: number, out: FrontendEffect[]): void {
    const { router } = this.#options;
    // Only the number of dropped requests matters, not which ones.
    let { dropped } = frame;
    for (const seq of frame.finished) this.#end(seq, dropped-- <= 0, now);
    for (const { device, seqs } of frame.moved) {
      for (const seq of seqs) {
        const entry = this.#table.get(seq);
        if (entry === undefined) continue;
        entry.device = device;
        entry.sentNumber = this.#sentNumber++;
        // The device was lost or left after the sender had chosen it, so nobody else will send the request again.
        if (router.isGone(device)) this.#sendAgain(entry, now, out);
        // The request moved on before the cancellation reached its last device.
        else if (entry.cancelled) out.push(perform({ type: 'cancel', device, seq }));
      }
    }
  }

  /** A client cancelled requests. */
  cancel(cancellation: Cancellation, out: FrontendEffect[]): void {
    for (const { device, item } of this.#table.cancel(cancellation)) out.push(perform({ type: 'cancel', device, seq: item.seq }));
  }

  /** Ends requests that are past their deadline. */
  expire(now: number, out: FrontendEffect[]): void {
    for (const entry of this.#table.expired(now - DEADLINE_GRACE_MS)) {
      const deadlineMs = Math.round(entry.item.deadlineAt - entry.item.arrivedAt);
      if (entry.cancelled) this.#endCancelled(entry, now);
      else answer(entry, this.#fail(entry, 'no-answer', `no answer within the deadline of ${deadlineMs} ms`, now), out);
    }
  }

  /** @param why what happened to the device, for people. */
  lose(device: string, loss: Loss, why: string, now: number, out: FrontendEffect[]): void {
    const { name, largestBatch } = this.#options;
    const entries = this.#table.on(device);
    const suspects = suspectsOf(entries, loss, name, largestBatch);
    const fields = { device, requests: entries.length, alone: suspects.size };
    out.push(note(entries.length > 0 ? 'warn' : 'info', `device ${why}; sending its requests again`, fields));
    for (const entry of entries) {
      if (loss.died && loss.reported === undefined) entry.deaths++;
      if (suspects.has(entry)) this.#tryAlone(entry, loss, now, out);
      else this.#sendAgain(entry, now, out);
    }
  }

  /** Returns the failure to answer with, if no device can take the request, which has then ended. */
  #send(entry: InFlight, now: number, out: FrontendEffect[]): Failure | undefined {
    const { router, maxPayloadBytes } = this.#options;
    const number = router.gear.cascade[0];
    const model = router.models[number];
    const device = router.route(number);
    if (device === undefined)
      return this.#fail(entry, 'no-device', `no device with model ${model} can be reached; try again later`, now);
    entry.device = device;
    entry.sentNumber = this.#sentNumber++;
    const bytes = estimatedBytes(entry.item);
    if (bytes > this.#largestItemBytes) return this.#failTooLarge(entry, maxPayloadBytes, now);
    out.push(perform({ type: 'work', device, model, item: entry.item, bytes }));
    return undefined;
  }

  /** A request did not fit into a message after all. */
  tooLarge(seq: number, maxPayloadBytes: number, now: number, out: FrontendEffect[]): void {
    const entry = this.#table.get(seq);
    if (entry !== undefined) answer(entry, this.#failTooLarge(entry, maxPayloadBytes, now), out);
  }

  #failTooLarge(entry: InFlight, maxPayloadBytes: number, now: number): Failure {
    const limit = `the limit of ${maxPayloadBytes} bytes of the NATS server`;
    const words = `the inputs, as tensors, exceed ${limit}; send less, or raise its max_payload`;
    return this.#fail(entry, 'too-large', words, now);
  }

  /** Only once: if a device dies while computing only this request, the request is the cause. */
  #tryAlone(entry: InFlight, { reported }: Loss, now: number, out: FrontendEffect[]): void {
    if (!entry.cancelled && entry.item.alone && reported !== undefined) {
      const words = 'a device that had this request was lost, and then another that was computing only this request';
      answer(entry, this.#fail(entry, 'deadly', `${words}; it will not be retried`, now, true), out);
      return;
    }
    entry.item = { ...entry.item, alone: true };
    this.#sendAgain(entry, now, out);
  }

  #sendAgain(entry: InFlight, now: number, out: FrontendEffect[]): void {
    if (entry.cancelled) {
      this.#endCancelled(entry, now);
      return;
    }
    const failure = this.#send(entry, now, out);
    if (failure !== undefined) answer(entry, failure, out);
  }

  /** Ends a cancelled request whose device will not report it. */
  #endCancelled({ item }: InFlight, now: number): void {
    this.#options.unserved.count('unheard');
    this.#end(item.seq, false, now);
  }

  #fail({ item, span }: InFlight, reason: ReportedReason, message: string, now: number, final = false): Failure {
    const { code } = UNSERVED[reason];
    span?.end(now, { 'cascade.request.id': item.id }, `${code}: ${message}`);
    this.#options.unserved.count(reason);
    this.#end(item.seq, false, now);
    return { id: item.id, error: { code, message, ...(final ? { final } : {}) } };
  }

  #end(seq: number, completed: boolean, now: number): void {
    const entry = this.#table.remove(seq);
    if (entry === undefined) return;
    const { ticket, item, device, span } = entry;
    span?.end(now, { 'cascade.request.id': item.id, 'cascade.device': device });
    this.#options.admission.ended(ticket, now - item.arrivedAt, completed, now, item.client ?? 0);
    this.#options.replyRoutes.ended(item.reply, now);
  }
}

function answer({ item: { reply, json } }: InFlight, failure: Failure, out: FrontendEffect[]): void {
  out.push(perform({ type: 'fail', reply, json, failures: [failure] }));
}
