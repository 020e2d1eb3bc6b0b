import { Admission, DONE_DELAY_MS, MAX_IN_FLIGHT } from '../policy/admission.ts';
import { DEADLINE_GRACE_MS, REPLICA_GRACE_MS } from '../policy/deadline.ts';
import { DONE_NOTE, type EventQueue } from './event-queue.ts';
import type { SimulatedSystem } from './simulated-system.ts';

const NONE = -1;

/**
 * Deadlines and overload from the frontend's point of view: which requests it accepts, given what it knows to have ended, and which it
 * gives up on. Requests are numbers. All have the same deadline relative to their arrival, so deadlines are in order of arrival.
 */
export class SimulatedIntake {
  readonly deadlineMs: number;
  /** Per device: computing time of queued work, according to its last heartbeat. */
  readonly reportedBacklogMs: Float64Array;
  readonly #system: SimulatedSystem;
  readonly #events: EventQueue;
  readonly #admission: Admission;
  readonly #arrivalsMs: Float64Array;
  /** Per request: 1 while it is in flight at the frontend. */
  readonly #inFlight: Uint8Array;
  readonly #ticket: Float64Array;
  #inFlightCount = 0;
  /** No earlier request is in flight. */
  #oldest = 0;

  // Per device: content of its next note to the frontend, and whether one is due.
  readonly #noted: number[][];
  readonly #dropped: Int32Array;
  readonly #noteDue: Uint8Array;

  constructor(system: SimulatedSystem, events: EventQueue, arrivalsMs: Float64Array, deadlineMs: number) {
    this.deadlineMs = deadlineMs;
    this.reportedBacklogMs = new Float64Array(system.devices);
    this.#system = system;
    this.#events = events;
    this.#admission = new Admission(() => this.reportedBacklogMs.reduce((most, ms) => Math.max(most, ms), 0));
    this.#arrivalsMs = arrivalsMs;
    this.#inFlight = new Uint8Array(arrivalsMs.length);
    this.#ticket = new Float64Array(arrivalsMs.length);
    this.#noted = Array.from({ length: system.devices }, () => []);
    this.#dropped = new Int32Array(system.devices);
    this.#noteDue = new Uint8Array(system.devices);
  }

  deadlineAt(request: number): number {
    return this.#arrivedAt(request) + this.deadlineMs;
  }

  /** Whether the frontend accepts a request that arrives now. */
  takes(request: number, now: number): boolean {
    if (!this.#admission.mayFill(this.#inFlightCount / MAX_IN_FLIGHT)) return false;
    if (this.#admission.retryAfterMs(this.deadlineMs) !== undefined) return false;
    this.#inFlight[request] = 1;
    this.#inFlightCount++;
    this.#ticket[request] = this.#admission.started(now);
    return true;
  }

  /**
   * A device ends a request; `dropped` means without having computed it.
   * @returns false when it is so late that the frontend answers instead.
   */
  ends(request: number, device: number, dropped: boolean, now: number): boolean {
    if (now > this.deadlineAt(request) + REPLICA_GRACE_MS) return false;
    this.#noted[device].push(request);
    if (dropped) this.#dropped[device]++;
    this.notes(device, now);
    return true;
  }

  /** A device has something to report to the frontend. */
  notes(device: number, now: number): void {
    if (this.#noteDue[device] === 1) return;
    this.#noteDue[device] = 1;
    this.#events.push(now + DONE_DELAY_MS + this.#system.hopMs, DONE_NOTE, device, NONE);
  }

  /** The frontend reads a device's note. The note says how many requests were dropped, but not which. */
  onDoneNote(device: number, now: number): void {
    let dropped = this.#dropped[device];
    for (const request of this.#noted[device]) this.#end(request, dropped-- <= 0, now);
    this.#noted[device].length = 0;
    this.#dropped[device] = 0;
    this.#noteDue[device] = 0;
  }

  /** The frontend ends requests before `arrived` that have waited too long. */
  giveUp(arrived: number, now: number, onEnd: (request: number) => void): void {
    for (; this.#oldest < arrived; this.#oldest++) {
      if (this.#inFlight[this.#oldest] === 0) continue;
      if (this.deadlineAt(this.#oldest) >= now - DEADLINE_GRACE_MS) return;
      this.#end(this.#oldest, false, now);
      onEnd(this.#oldest);
    }
  }

  #end(request: number, completed: boolean, now: number): void {
    if (this.#inFlight[request] === 0) return;
    this.#inFlight[request] = 0;
    this.#inFlightCount--;
    this.#admission.ended(this.#ticket[request], now - this.#arrivedAt(request), completed, now);
  }

  #arrivedAt(request: number): number {
    return this.#arrivalsMs[request] + this.#system.hopMs;
  }
}
