import { createRandom } from '../../engine/random.ts';
import { shuffled } from '../data/shuffled.ts';
import { NO_NUMBER } from '../domain/cascade/certainty.ts';
import type { SampleSizes } from '../domain/profile/profile.ts';
import { cascadeStep, LAST } from '../policy/cascade-step.ts';
import type { CompiledGear, CompiledPlan } from '../policy/compiled-plan.ts';
import { endsTooLate, queueMs } from '../policy/deadline.ts';
import { DeviceSpeed } from '../policy/device-speed.ts';
import { backlogFromMs, DEFAULT_GEAR_RULE, type GearRule, LOAD_INTERVAL_MS, URGENT_INTERVAL_MS } from '../policy/gear-choice.ts';
import { pickDevice, sharesAtSpeed } from '../policy/routing.ts';
import { goesFirst, isTriggered } from '../policy/trigger.ts';
import { contentionOf } from './contention.ts';
import { ControlRhythm, evenPhases, FRONTEND } from './control-rhythm.ts';
import { DeviceTimers } from './device-timers.ts';
import {
  AUDIT_ARRIVES,
  BATCH_DONE,
  DONE_NOTE,
  EventQueue,
  FRAME_ARRIVES,
  GEAR_APPLIES,
  GEAR_FOLLOWS,
  WAIT_OVER,
} from './event-queue.ts';
import { EXPIRED, FAILED, REJECTED, type SimulationOutcomes, UNANSWERED } from './outcomes.ts';
import { RequestQueues } from './request-queues.ts';
import { type SimulatedAuditOptions, SimulatedAudits } from './simulated-audits.ts';
import { SimulatedController } from './simulated-controller.ts';
import { SimulatedIntake } from './simulated-intake.ts';
import type { SimulatedSystem } from './simulated-system.ts';
import { type Slowdown, slowdownAt } from './slowdown.ts';
import type { Workload } from './workload.ts';

export interface SimulationOptions {
  /** A gear to hold throughout (SP4); by default, gears are chosen by the measured load, starting with the first. */
  readonly fixedGear?: number;
  /** Gears by time instead of by load, as set by an autoscaler that knows the load: ascending in time, the first from 0. */
  readonly schedule?: readonly { readonly fromMs: number; readonly gear: number }[];
  /** Per request: the only model that answers it, whatever the cascade of its gear. Ensembles ask their members this way. */
  readonly asked?: Uint8Array;
  readonly rule?: GearRule;
  /** Deadline of every request; by default there is none, and all requests are accepted and answered, however long that takes. */
  readonly deadlineMs?: number;
  /** Per device: when its heartbeats come in each LOAD_INTERVAL_MS, above 0; default: spread evenly. */
  readonly heartbeatPhasesMs?: readonly number[];
  /** Devices that are slower or faster than profiled. */
  readonly slowdowns?: readonly Slowdown[];
  /** Default: nothing is audited. */
  readonly audit?: SimulatedAuditOptions | undefined;
  readonly observer?: SimulationObserver;
  /** Stop as soon as more than `count` requests took longer than `latencyMs`, because then the verdict is certain. */
  readonly giveUp?: { readonly latencyMs: number; readonly count: number };
}

/** Receives events as they happen, for tests and views. */
export interface SimulationObserver {
  /** A batch, or an audit, starts. Requests are numbers, in batch order. */
  batch(startMs: number, model: number, device: number, requests: readonly number[]): void;
  /** A gear takes effect. */
  gear(atMs: number, gear: number): void;
}

const NEVER = Number.POSITIVE_INFINITY;
const NONE = -1;
/** Idle devices poll for this long before they sleep (see `stayAwake`). */
const AWAKE_MS = 0.2;
/** Quantiles of the exponential distribution with mean 1, in random order. Their number is prime so that no load pattern matches it. */
const EXPONENTIAL = exponentialQuantiles(4_093);

/**
 * Discrete-event simulation of the serving plane over profiled runtimes and recorded answers (CascadeServe App. C), with the same
 * policy functions as the actors. One instance may run many plans over one system; it reuses its buffers.
 *
 * Hot path: requests are numbers, queues and frames are linked lists (RequestQueues), and nothing is allocated per event.
 *
 * Without hops and overheads it matches the actors in virtual time to the last bit (test/simulation/parity.test.ts): simultaneous
 * events happen in the same order, and gears are chosen from heartbeats of the same age.
 *
 * Simplifications: one frontend; queues are bounded in requests, not in bytes; the next stage is routed the moment a batch ends; a gear
 * takes two hops to take effect everywhere at once; batch overheads besides inference count for deadlines.
 */
export class Simulator {
  readonly #system: SimulatedSystem;
  readonly #events = new EventQueue();

  // Per request.
  #latencyMs = new Float64Array(0);
  #sample = new Int32Array(0);
  #target = new Int32Array(0);
  #answeredBy = new Int8Array(0);
  /** With deadlines: the model that answered last, for a request that moved on. */
  #opinionBy = new Int8Array(0);

  // Per replica: [model * devices + device].
  readonly #queues: RequestQueues;
  readonly #batches: Float64Array;
  readonly #batchedRequests: Float64Array;

  // Per device.
  readonly #timers: DeviceTimers;
  readonly #batchModel: Int32Array;
  readonly #batchHead: Int32Array;
  readonly #busyMs: Float64Array;
  /** Of the running batch: time according to the profile, and actual time. */
  readonly #profiledMs: Float64Array;
  readonly #tookMs: Float64Array;
  readonly #reportedAt: Float64Array;
  readonly #frameHead: Int32Array;
  readonly #frameTail: Int32Array;
  /** Devices that the current batch sends frames to. */
  readonly #frameTo: Int32Array;

  /** Routing state [gear * senders + sender], as the actors keep it: senders are the devices, and last the frontend. */
  #credits: Float64Array[] = [];
  readonly #answers: Float64Array;

  #arrivalsMs: Float64Array = new Float64Array(0);
  /** When the frontends have read each request: its arrival plus its wait for the frontend. */
  #takenMs: Float64Array = new Float64Array(0);
  /** Per device: when its last batch ended. */
  readonly #endedMs: Float64Array;
  #gear!: CompiledGear;
  #asked: Uint8Array | undefined;
  #observer: SimulationObserver | undefined;
  /** Only with deadlines. */
  #intake: SimulatedIntake | undefined;
  #audits: SimulatedAudits | undefined;
  /** Answers of the batch that has just ended; they may be drawn for an audit. */
  readonly #written: number[] = [];
  /** Unset when a gear is held. */
  #controller: SimulatedController | undefined;
  /** A device whose queues hold at least this much computing time reports it at once. */
  #urgentMs = NEVER;
  /** Only with slowdowns: what devices measure of themselves, and what they last reported. */
  #slowdowns: readonly Slowdown[] = [];
  #speeds: DeviceSpeed[] = [];
  readonly #reportedSlowdown: Float64Array;
  /** How much longer batches take because the load of the last interval uses their cores. */
  #contention = 1;
  /** Per gear: its shares at the reported speeds; undefined: not computed yet. */
  #sharesNow: (Float64Array | undefined)[] = [];
  #ended = 0;
  #completed = 0;
  #rejected = 0;
  #late = 0;
  #lateFromMs = NEVER;
  #endMs = 0;

  constructor(system: SimulatedSystem) {
    this.#system = system;
    const { models, devices } = system;
    const replicas = models * devices;
    this.#queues = new RequestQueues(models, devices);
    this.#batches = new Float64Array(replicas);
    this.#batchedRequests = new Float64Array(replicas);
    this.#timers = new DeviceTimers(this.#events, devices);
    this.#batchModel = new Int32Array(devices);
    this.#batchHead = new Int32Array(devices);
    this.#busyMs = new Float64Array(devices);
    this.#profiledMs = new Float64Array(devices);
    this.#tookMs = new Float64Array(devices);
    this.#endedMs = new Float64Array(devices);
    this.#reportedAt = new Float64Array(devices);
    this.#reportedSlowdown = new Float64Array(devices);
    this.#frameHead = new Int32Array(devices);
    this.#frameTail = new Int32Array(devices);
    this.#frameTo = new Int32Array(devices);
    this.#answers = new Float64Array(models);
  }

  /** @throws Error when the plan sends requests where no replica can run, which is a defect of the plan. */
  run(plan: CompiledPlan, workload: Workload, options: SimulationOptions = {}): SimulationOutcomes {
    const { arrivalsMs } = workload;
    const requests = arrivalsMs.length;
    const { hopMs, handoffMs } = this.#system;
    const events = this.#events;
    const { gears } = plan;
    const allowedLate = options.giveUp?.count ?? NEVER;
    this.#reset(workload, gears.length, options);
    const takenMs = this.#takenMs;

    const { models, devices } = this.#system;
    const rule = options.rule ?? DEFAULT_GEAR_RULE;
    const { fixedGear, schedule } = options;
    const isHeld = fixedGear !== undefined || schedule !== undefined;
    const controller = isHeld ? undefined : new SimulatedController(plan, rule, models, devices);
    this.#controller = controller;
    this.#urgentMs = controller === undefined ? NEVER : backlogFromMs(rule);
    const gearMs = new Float64Array(gears.length);
    let inForceSince = 0;
    this.#gear = gears[fixedGear ?? schedule?.[0].gear ?? 0];
    for (const { fromMs, gear } of schedule?.slice(1) ?? []) events.push(fromMs, GEAR_APPLIES, gear, NONE);
    this.#audits = options.audit && new SimulatedAudits(this.#system, plan, this.#sample, options.audit);
    const rhythm = new ControlRhythm(options.heartbeatPhasesMs ?? evenPhases(devices));
    const { contentionMs } = this.#system;
    if (controller !== undefined || this.#intake !== undefined || this.#audits !== undefined || contentionMs > 0) rhythm.start();
    let arrivedSinceReport = 0;
    let atFrontend = 0;
    let atDevice = 0;
    let frontendMs = requests === 0 ? NEVER : takenMs[0] + hopMs;
    let deviceMs = NEVER;
    let backlogAtLastArrival = 0;

    // At the same time: first reports, then requests at the frontend, then timers and messages, then requests at devices.
    while (this.#ended < requests && this.#late <= allowedLate) {
      const eventMs = events.nextMs;
      const reportMs = rhythm.nextMs;
      if (eventMs < reportMs && eventMs < frontendMs && eventMs <= deviceMs) {
        events.pop();
        switch (events.kind) {
          case BATCH_DONE:
            if (events.head === NONE) this.#complete(events.subject, eventMs);
            else this.#endAudit(events.subject, events.head, eventMs);
            break;
          case AUDIT_ARRIVES:
            if (this.#audits!.enqueue(events.subject, events.head)) this.#dispatch(events.subject, eventMs);
            break;
          case FRAME_ARRIVES:
            this.#enqueueFrame(events.subject, events.head, eventMs);
            break;
          case WAIT_OVER:
            if (this.#timers.ranOut(events.subject)) this.#dispatch(events.subject, eventMs);
            break;
          case GEAR_APPLIES:
          case GEAR_FOLLOWS:
            gearMs[this.#gear.index] += eventMs - inForceSince;
            inForceSince = eventMs;
            this.#gear = gears[events.subject];
            options.observer?.gear(eventMs, events.subject);
            for (let device = 0; device < devices; device++) this.#dispatch(device, eventMs);
            break;
          case DONE_NOTE:
            this.#intake!.onDoneNote(events.subject, eventMs);
            break;
        }
      } else if (frontendMs < reportMs && frontendMs <= deviceMs) {
        this.#take(atFrontend, frontendMs);
        arrivedSinceReport++;
        if (atDevice === atFrontend) deviceMs = frontendMs + handoffMs;
        atFrontend++;
        if (atFrontend === requests) backlogAtLastArrival = requests - this.#ended;
        frontendMs = atFrontend === requests ? NEVER : takenMs[atFrontend] + hopMs;
      } else if (deviceMs < reportMs) {
        atDevice = this.#enqueueArrivals(atDevice, atFrontend, deviceMs);
        deviceMs = atDevice === atFrontend ? NEVER : takenMs[atDevice] + hopMs + handoffMs;
      } else {
        if (rhythm.who !== FRONTEND) {
          this.#heartbeat(rhythm.who, reportMs, GEAR_APPLIES);
        } else {
          const wanted = controller?.onArrivals(arrivedSinceReport, reportMs);
          if (wanted !== undefined) events.push(reportMs + 2 * hopMs, GEAR_APPLIES, wanted, NONE);
          if (contentionMs > 0) this.#contention = contentionOf((contentionMs * arrivedSinceReport) / LOAD_INTERVAL_MS);
          arrivedSinceReport = 0;
          if (this.#intake !== undefined) this.#giveUp(this.#intake, atFrontend, reportMs);
        }
        rhythm.advance();
      }
    }
    gearMs[this.#gear.index] += Math.max(0, this.#endMs - inForceSince);
    return {
      requests,
      completed: this.#completed,
      rejected: this.#rejected,
      expired: this.#ended - this.#completed - this.#rejected,
      gaveUp: this.#ended < requests,
      latencyMs: this.#latencyMs.subarray(0, requests),
      answeredBy: this.#answeredBy.subarray(0, requests),
      sample: this.#sample.subarray(0, requests),
      gearMs,
      gearSwitches: controller?.switches ?? Math.max(0, (schedule?.length ?? 1) - 1),
      busyMs: this.#busyMs.slice(),
      answers: this.#answers.slice(),
      batches: this.#batches.slice(),
      batchedRequests: this.#batchedRequests.slice(),
      audits: this.#audits && { drawn: this.#audits.drawn, compared: this.#audits.compared },
      backlogAtLastArrival,
      endMs: this.#endMs,
    };
  }

  #reset({ arrivalsMs, sampleOrder }: Workload, gears: number, options: SimulationOptions): void {
    const { fixedGear, giveUp, observer, deadlineMs, asked, slowdowns = [] } = options;
    const requests = arrivalsMs.length;
    if (requests > this.#sample.length) {
      this.#latencyMs = new Float64Array(requests);
      this.#sample = new Int32Array(requests);
      this.#target = new Int32Array(requests);
      this.#answeredBy = new Int8Array(requests);
      this.#opinionBy = new Int8Array(requests);
    }
    for (let i = 0, k = 0; i < requests; i++) {
      this.#sample[i] = sampleOrder[k];
      if (++k === sampleOrder.length) k = 0;
    }
    this.#latencyMs.fill(Number.NaN, 0, requests);
    this.#answeredBy.fill(UNANSWERED, 0, requests);
    this.#opinionBy.fill(NONE, 0, requests);
    this.#events.clear();
    this.#queues.reset(requests);
    this.#timers.reset();
    this.#batches.fill(0);
    this.#batchedRequests.fill(0);
    this.#batchModel.fill(NONE);
    this.#batchHead.fill(NONE);
    this.#busyMs.fill(0);
    this.#endedMs.fill(Number.NEGATIVE_INFINITY);
    this.#reportedAt.fill(0);
    this.#slowdowns = slowdowns;
    this.#contention = 1;
    this.#speeds =
      slowdowns.length === 0 && this.#system.contentionMs === 0 ? [] : this.#system.deviceNames.map(() => new DeviceSpeed());
    this.#reportedSlowdown.fill(1);
    this.#sharesNow = new Array(gears).fill(undefined);
    this.#frameHead.fill(NONE);
    this.#frameTail.fill(NONE);
    const senders = this.#system.devices + 1;
    while (this.#credits.length < gears * senders) this.#credits.push(new Float64Array(this.#batches.length));
    const [from, to] = fixedGear === undefined ? [0, gears] : [fixedGear, fixedGear + 1];
    for (let at = from * senders; at < to * senders; at++) this.#credits[at].fill(0);
    this.#answers.fill(0);
    this.#asked = asked;
    this.#arrivalsMs = arrivalsMs;
    this.#takenMs = takenAfter(arrivalsMs, this.#system.intakeMs);
    this.#intake =
      deadlineMs === undefined ? undefined : new SimulatedIntake(this.#system, this.#events, this.#takenMs, deadlineMs);
    this.#ended = 0;
    this.#completed = 0;
    this.#rejected = 0;
    this.#late = 0;
    this.#lateFromMs = giveUp?.latencyMs ?? NEVER;
    this.#observer = observer;
    this.#written.length = 0;
    this.#endMs = 0;
  }

  /** The frontend sends a request to a replica of the gear's first model, if it accepts the request. */
  #take(request: number, now: number): void {
    if (this.#intake?.takes(request, now) === false) {
      this.#target[request] = NONE;
      this.#rejected++;
      this.#endWithout(request, REJECTED, now);
      return;
    }
    const model = this.#asked?.[request] ?? this.#gear.cascade[0];
    this.#target[request] = model * this.#system.devices + this.#pick(this.#system.devices, model);
  }

  #pick(sender: number, model: number): number {
    const { devices, modelNames } = this.#system;
    const credits = this.#credits[this.#gear.index * (devices + 1) + sender];
    const { index, shares } = this.#gear;
    this.#sharesNow[index] ??= this.#speeds.length === 0 ? shares : sharesAtSpeed(shares, this.#reportedSlowdown);
    const device = pickDevice(this.#sharesNow[index], credits, model * devices, devices, undefined);
    if (device === -1) throw new Error(`gear ${this.#gear.index} gives no device a share of model ${modelNames[model]}`);
    return device;
  }

  /**
   * Requests that the frontend accepts at the same time travel as one frame per device.
   * @param end the first request that has not been routed.
   * @returns the first request that has not arrived.
   */
  #enqueueArrivals(first: number, end: number, now: number): number {
    const { devices } = this.#system;
    const takenMs = this.#takenMs;
    const arrivalMs = takenMs[first];
    if (first + 1 === end || takenMs[first + 1] !== arrivalMs) {
      if (this.#target[first] === NONE) return first + 1;
      const device = this.#target[first] % devices;
      this.#queues.push(this.#target[first], device, first, now);
      this.#dispatch(device, now);
      return first + 1;
    }
    let frames = 0;
    let request = first;
    do {
      const replica = this.#target[request];
      if (replica === NONE) continue;
      const device = replica % devices;
      // The head only marks that we have seen the device.
      if (this.#frameHead[device] === NONE) {
        this.#frameHead[device] = request;
        this.#frameTo[frames++] = device;
      }
      this.#queues.push(replica, device, request, now);
    } while (++request < end && takenMs[request] === arrivalMs);
    for (let k = 0; k < frames; k++) {
      this.#frameHead[this.#frameTo[k]] = NONE;
      this.#dispatch(this.#frameTo[k], now);
    }
    return request;
  }

  #enqueueFrame(replica: number, head: number, now: number): void {
    const device = replica % this.#system.devices;
    for (let request = head; request !== NONE; ) {
      const following = this.#queues.next[request];
      this.#queues.push(replica, device, request, now);
      request = following;
    }
    this.#dispatch(device, now);
  }

  /** If the device is idle, starts the triggered queue with the oldest request, or sets the timer if none is triggered. */
  #dispatch(device: number, now: number): void {
    if (this.#batchModel[device] !== NONE || this.#queues.queued[device] === 0) {
      if (this.#audits !== undefined) this.#startAudit(this.#audits, device, now);
      return;
    }
    const { models, devices } = this.#system;
    const { head, length: lengths, enqueuedAt } = this.#queues;
    const { minQueueLength, maxWaitMs } = this.#gear;
    let best = NONE;
    let bestOldest = NEVER;
    let wakeAt = NEVER;
    for (let replica = device; replica < models * devices; replica += devices) {
      const length = lengths[replica];
      if (length === 0) continue;
      const oldest = enqueuedAt[head[replica]];
      if (isTriggered(length, minQueueLength[replica], oldest, maxWaitMs, now)) {
        if (best === NONE || goesFirst(oldest, bestOldest)) {
          best = replica;
          bestOldest = oldest;
        }
      } else if (oldest + maxWaitMs < wakeAt) wakeAt = oldest + maxWaitMs;
    }
    if (best === NONE) this.#timers.set(device, wakeAt);
    else {
      this.#timers.clear(device);
      this.#start(best, device, now);
    }
  }

  #start(replica: number, device: number, now: number): void {
    const table = this.#system.batchMs[replica];
    if (table === undefined)
      throw new Error(`the plan sends requests to replica ${replica} of a model that was not profiled on its device`);
    const take = this.#shiftBatch(replica, device, table, now);
    if (take === 0) {
      this.#dispatch(device, now);
      return;
    }
    this.#batchModel[device] = (replica / this.#system.devices) | 0;
    const { sizes, sizedMs } = this.#system;
    const profiledMs =
      sizes === undefined ? table[take] : sizedMs[replica](take, this.#largestSize(sizes, this.#batchHead[device]));
    this.#occupy(device, profiledMs, NONE, now);
    this.#batches[replica]++;
    this.#batchedRequests[replica] += take;
    this.#observer?.batch(now, this.#batchModel[device], device, this.#queues.listFrom(this.#batchHead[device]));
    if (this.#urgentMs !== NEVER && this.#queues.queued[device] > 0) this.#reportBacklog(device, now);
  }

  /** A batch, or the audit of a request, starts on a device. */
  #occupy(device: number, profiledMs: number, audited: number, now: number): void {
    const tookMs =
      this.#slowdowns.length === 0
        ? profiledMs * this.#contention
        : profiledMs * this.#contention * slowdownAt(this.#slowdowns, this.#system.deviceNames[device], now);
    this.#profiledMs[device] = profiledMs;
    this.#tookMs[device] = tookMs;
    this.#busyMs[device] += tookMs;
    this.#events.push(now + tookMs + this.#wakeMs(device, now), BATCH_DONE, device, audited);
    this.#audits?.started(device, now);
  }

  #startAudit(audits: SimulatedAudits, device: number, now: number): void {
    if (this.#batchModel[device] !== NONE || this.#written.length > 0) return;
    const request = audits.next(device, this.#gear, now);
    if (request === NONE) return;
    this.#batchModel[device] = audits.model;
    this.#occupy(device, audits.profiledMs(device, request), request, now);
    this.#observer?.batch(now, audits.model, device, [request]);
  }

  #endAudit(device: number, request: number, now: number): void {
    this.#free(device, now);
    this.#audits!.done(request);
    this.#dispatch(device, now);
  }

  /** A device has finished what it was running. */
  #free(device: number, now: number): void {
    this.#batchModel[device] = NONE;
    this.#endedMs[device] = now;
    this.#audits?.ended(device, now);
    if (this.#speeds.length > 0) this.#speeds[device].observe(this.#profiledMs[device], this.#tookMs[device], now);
  }

  /** As on a real device, the next batch starts before answers are written; if there is none, one of those answers may be audited. */
  #auditWritten(audits: SimulatedAudits, device: number, now: number): void {
    for (const request of this.#written) this.#audit(audits, request, device, now);
    this.#written.length = 0;
    this.#dispatch(device, now);
  }

  /** An answer was given, and may be drawn for an audit. */
  #audit(audits: SimulatedAudits, request: number, device: number, now: number): void {
    const auditor = audits.answered(device, this.#answeredBy[request], this.#gear, now);
    if (auditor === device) audits.enqueue(device, request);
    else if (auditor !== NONE) this.#events.push(now + this.#system.hopMs, AUDIT_ARRIVES, auditor, request);
  }

  /** Takes a batch from a queue. @returns its size, which is 0 when all answers would be too late. */
  #shiftBatch(replica: number, device: number, table: Float64Array, now: number): number {
    const { sizes, sizedMs } = this.#system;
    const largest = table.length - 1;
    const head = this.#queues.head[replica];
    const waiting = Math.min(this.#queues.length[replica], largest);
    if (sizes !== undefined) {
      const plannedMs = sizedMs[replica](waiting, sizes.size[this.#sample[head]]);
      return this.#shiftAlike(sizes, replica, device, largest, now + this.#slowdownOf(device, now) * plannedMs, now);
    }
    if (this.#intake === undefined) {
      this.#batchHead[device] = this.#queues.shift(replica, device, waiting);
      return waiting;
    }
    return this.#shiftInTime(this.#intake, replica, device, largest, now + this.#slowdownOf(device, now) * table[waiting], now);
  }

  #largestSize({ size }: SampleSizes, head: number): number {
    let largest = 0;
    for (let request = head; request !== NONE; request = this.#queues.next[request])
      largest = Math.max(largest, size[this.#sample[request]]);
    return largest;
  }

  /** Extra time of a device that was asleep. */
  #wakeMs(device: number, now: number): number {
    const { wakeMs } = this.#system;
    return wakeMs > 0 && now - this.#endedMs[device] > AWAKE_MS ? wakeMs : 0;
  }

  /** Reports a growing backlog at once. */
  #reportBacklog(device: number, now: number): void {
    if (now - this.#reportedAt[device] >= URGENT_INTERVAL_MS && this.#backlogMs(device, now) > this.#urgentMs)
      this.#heartbeat(device, now, GEAR_FOLLOWS);
  }

  /** A device reports its state to the frontend, the other devices and the controller, which may then shift. */
  #heartbeat(device: number, now: number, kind: typeof GEAR_APPLIES | typeof GEAR_FOLLOWS): void {
    this.#reportedAt[device] = now;
    this.#audits?.heartbeat(device, this.#gear, now);
    const slowdown = this.#slowdownOf(device, now);
    if (slowdown !== this.#reportedSlowdown[device]) {
      this.#reportedSlowdown[device] = slowdown;
      this.#sharesNow.fill(undefined);
    }
    const backlogMs = this.#intake === undefined && this.#urgentMs === NEVER ? 0 : this.#backlogMs(device, now);
    if (this.#intake !== undefined) this.#intake.reportedBacklogMs[device] = backlogMs;
    this.#controller?.onHeartbeat(device, this.#queues.length, backlogMs, slowdown);
    const wanted = backlogMs > this.#urgentMs ? this.#controller?.decide(now) : undefined;
    if (wanted !== undefined) this.#events.push(now + 2 * this.#system.hopMs, kind, wanted, NONE);
  }

  /** As measured by the device. */
  #slowdownOf(device: number, now: number): number {
    return this.#speeds.length === 0 ? 1 : this.#speeds[device].slowdown(now);
  }

  /** Takes a batch from a queue; requests that it would answer too late end here. @returns its size. */
  #shiftInTime(intake: SimulatedIntake, replica: number, device: number, largest: number, endsAt: number, now: number): number {
    let size = 0;
    let last = NONE;
    while (size < largest && this.#queues.length[replica] > 0) {
      const request = this.#queues.shift(replica, device, 1);
      if (endsTooLate(endsAt, intake.deadlineAt(request))) {
        this.#expire(intake, request, device, now);
        continue;
      }
      if (last === NONE) this.#batchHead[device] = request;
      else this.#queues.next[last] = request;
      last = request;
      size++;
    }
    return size;
  }

  /** The same for samples that differ in size: only compatible ones share a batch. */
  #shiftAlike(sizes: SampleSizes, replica: number, device: number, largest: number, endsAt: number, now: number): number {
    const intake = this.#intake;
    let size = 0;
    let last = NONE;
    this.#queues.takeCompatible(replica, device, sizes.batchKey, this.#sample, (request) => {
      if (intake !== undefined && endsTooLate(endsAt, intake.deadlineAt(request))) {
        this.#expire(intake, request, device, now);
        return 'more';
      }
      if (last === NONE) this.#batchHead[device] = request;
      else this.#queues.next[last] = request;
      last = request;
      return ++size < largest ? 'more' : 'last';
    });
    return size;
  }

  /** No time is left to compute this request: the answer so far stands, if there is one. */
  #expire(intake: SimulatedIntake, request: number, device: number, now: number): void {
    const opinion = this.#opinionBy[request];
    if (opinion !== NONE) this.#answer(request, opinion, device, now, false);
    else if (intake.ends(request, device, true, now)) this.#endWithout(request, EXPIRED, now);
  }

  /** A batch is done: each sample is answered, or moves on to the next model under the gear now in force. */
  #complete(device: number, now: number): void {
    const { devices, samples, certainty, hopMs } = this.#system;
    const model = this.#batchModel[device];
    this.#free(device, now);
    const { next } = this.#queues;
    let forwarded = NONE;
    let frames = 0;
    for (let request = this.#batchHead[device]; request !== NONE; ) {
      const following = next[request];
      const sure = certainty[model * samples + this.#sample[request]];
      const step = this.#asked === undefined ? cascadeStep(this.#gear, model, sure) : LAST;
      const to = step < 0 ? NONE : this.#pick(device, step);
      if (to === NONE || this.#isTooLateFor(request, step, device, to, now)) {
        if (sure === NO_NUMBER) this.#endUnsaid(request, step, device, now);
        else this.#answer(request, model, device, now, step < 0);
      } else if (to === device) {
        if (sure !== NO_NUMBER) this.#opinionBy[request] = model;
        this.#queues.push(step * devices + device, device, request, now);
      } else {
        forwarded = step;
        if (sure !== NO_NUMBER) this.#opinionBy[request] = model;
        next[request] = NONE;
        if (this.#frameHead[to] === NONE) {
          this.#frameHead[to] = request;
          this.#frameTo[frames++] = to;
        } else next[this.#frameTail[to]] = request;
        this.#frameTail[to] = request;
      }
      request = following;
    }
    // One frame per device: under one gear, all samples of a batch move on to the same model.
    for (let k = 0; k < frames; k++) {
      const to = this.#frameTo[k];
      const head = this.#frameHead[to];
      this.#frameHead[to] = NONE;
      this.#events.push(now + hopMs, FRAME_ARRIVES, forwarded * devices + to, head);
      this.#intake?.notes(device, now);
    }
    this.#dispatch(device, now);
    if (this.#audits !== undefined && this.#written.length > 0) this.#auditWritten(this.#audits, device, now);
  }

  /** NaN is not an answer: the answer of an earlier model stands, unless this was the last model. */
  #endUnsaid(request: number, step: number, device: number, now: number): void {
    const isLast = step < 0;
    const opinion = this.#opinionBy[request];
    if (!isLast && opinion !== NONE) this.#answer(request, opinion, device, now, false);
    else if (this.#intake?.ends(request, device, !isLast, now) !== false)
      this.#endWithout(request, isLast ? FAILED : EXPIRED, now);
  }

  /** With deadlines: whether the next model on that device would answer too late. */
  #isTooLateFor(request: number, model: number, from: number, to: number, now: number): boolean {
    if (this.#intake === undefined) return false;
    const { devices, batchMs } = this.#system;
    const waitMs = to === from ? this.#backlogMs(to, now) : this.#intake.reportedBacklogMs[to];
    const singleMs = this.#slowdownOf(from, now) * (batchMs[model * devices + from]?.[1] ?? 0);
    if (endsTooLate(now + waitMs + singleMs, this.#intake.deadlineAt(request))) return true;
    return false;
  }

  /** @param inTurn the answer belongs to a finished batch; whether to audit it is decided once the next batch has started. */
  #answer(request: number, model: number, device: number, now: number, inTurn: boolean): void {
    if (this.#intake?.ends(request, device, false, now) === false) return;
    const { hopMs, jitterMs } = this.#system;
    const late = jitterMs === 0 ? 0 : jitterMs * EXPONENTIAL[request % EXPONENTIAL.length];
    const latency = now + hopMs + late - this.#arrivalsMs[request];
    this.#latencyMs[request] = latency;
    this.#answeredBy[request] = model;
    this.#answers[model]++;
    this.#ended++;
    this.#completed++;
    this.#endMs = now;
    if (latency > this.#lateFromMs) this.#late++;
    if (this.#audits === undefined) return;
    if (inTurn) this.#written.push(request);
    else this.#audit(this.#audits, request, device, now);
  }

  #endWithout(request: number, outcome: number, now: number): void {
    this.#answeredBy[request] = outcome;
    this.#ended++;
    this.#endMs = now;
  }

  /** The frontend ends requests that have waited too long. */
  #giveUp(intake: SimulatedIntake, arrived: number, now: number): void {
    intake.giveUp(arrived, now, (request) => {
      if (this.#answeredBy[request] === UNANSWERED) this.#endWithout(request, EXPIRED, now);
    });
  }

  /** Computing time of all work queued on a device, at the speed it measures. */
  #backlogMs(device: number, now: number): number {
    const { devices, batchMs } = this.#system;
    let ms = 0;
    for (let replica = device; replica < batchMs.length; replica += devices) {
      const table = batchMs[replica];
      if (table !== undefined) ms += queueMs(this.#queues.length[replica], table.length - 1, (size) => table[size]);
    }
    return this.#slowdownOf(device, now) * ms;
  }
}

/** When frontends have read each request, one after the other, `intakeMs` each. */
function takenAfter(arrivalsMs: Float64Array, intakeMs: number): Float64Array {
  if (intakeMs === 0) return arrivalsMs;
  let freeMs = Number.NEGATIVE_INFINITY;
  return arrivalsMs.map((ms) => {
    freeMs = Math.max(ms, freeMs) + intakeMs;
    return freeMs;
  });
}

function exponentialQuantiles(count: number): Float64Array {
  return Float64Array.from(shuffled(count, createRandom('exponential')), (i) => -Math.log(1 - (i + 0.5) / count));
}
