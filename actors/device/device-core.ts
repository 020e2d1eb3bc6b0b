import { NO_EFFECTS, note, perform, send } from '../../engine/actor/effect.ts';
import type { BatchOutput } from '../../engine/backend/backend.ts';
import { DeviceTakenError } from '../../engine/errors.ts';
import { sampleSize } from '../../plans/policy/batch-key.ts';
import { LOAD_INTERVAL_MS, URGENT_INTERVAL_MS } from '../../plans/policy/gear-choice.ts';
import { PREPARED, TELL_PLAN } from '../../plans/protocol/channels.ts';
import type { CancelFrame, DeviceState, GearMessage } from '../../plans/protocol/control-messages.ts';
import type { AuditItem, WorkFrame } from '../../plans/protocol/messages.ts';
import { DEVICE_LOST_AFTER_MS, type Router } from '../frontend/router.ts';
import type { Queued } from './batcher.ts';
import { type AuditOptions, DeviceAudits } from './device-audits.ts';
import { DeviceClaim } from './device-claim.ts';
import type { Answer, DeviceEffect } from './device-effects.ts';
import { DeviceReport, type ReplicasHere, type Vitals } from './device-report.ts';
import { DeviceWork, type DeviceWorkOptions } from './device-work.ts';
import type { BatchOrder } from './orders.ts';
import type { Prepared } from './replica-changes.ts';
import type { DeviceWeights, WeightsOf } from './weights/device-weights.ts';

/** Maximum age of the queue lengths that decide the gear; the simulator assumes the same. */
export const HEARTBEAT_INTERVAL_MS = LOAD_INTERVAL_MS;
/** Minimum time between searches for cancelled requests: searching 50,000 requests takes a millisecond. */
const CANCEL_INTERVAL_MS = 10;

export interface DeviceCoreOptions
  extends Pick<DeviceWorkOptions, 'models' | 'classes' | 'judge' | 'device' | 'specs' | 'bounds' | 'tracing'> {
  readonly host: string;
  readonly pid: number;
  /** See DeviceClaim. Default: the pid, for a device that no other host runs. */
  readonly claim?: string | undefined;
  /** The weights of a plan, as this device runs them. */
  readonly weightsOf: WeightsOf;
  /** A backlog above this computing time sends a heartbeat at once; default: never. */
  readonly urgentBacklogMs?: number | undefined;
  /** Audits of answers, which need bins of the certainties. Default: no audits. */
  readonly audit?: AuditOptions | undefined;
}

/** What the core needs from its process. */
export interface DeviceSurroundings {
  readonly router: Router;
  readonly replicas: ReplicasHere;
  readonly vitals: (now: number) => Vitals;
  /** Whether a remote server computes for this device. */
  readonly computesElsewhere: boolean;
  /** Limit of the NATS server. */
  readonly maxPayloadBytes: number;
}

/** Decides what a device does. Runs for each request, so its state is mutable. */
export class DeviceCore {
  readonly #options: DeviceCoreOptions & DeviceSurroundings;
  readonly #router: Router;
  readonly #work: DeviceWork;
  readonly #audits: DeviceAudits | undefined;
  readonly #claim: DeviceClaim;
  readonly #report: DeviceReport;
  #incarnation: string;
  /** Per model: the weights of the plan in force. */
  #weights: readonly DeviceWeights[];
  #phase: DeviceState['phase'] = 'loading';
  #hasEnded = false;
  #heartbeatAt = 0;
  /** The batch that is killing this device. Frontends retry its requests alone, and all other requests in batches. */
  #blamed: readonly Queued[] | undefined;
  #gearDelayMs = 0;
  /** Requests cancelled since the last search, by origin. */
  #cancelled = new Map<string, Set<number>>();
  #nextCancelAt = 0;
  /** Set while arriving work was sent before a pause of this process, so that frontends have sent it elsewhere since. */
  #stale = false;

  constructor(options: DeviceCoreOptions & DeviceSurroundings, now: number) {
    const { router, weightsOf, device, specs, audit, maxPayloadBytes, judge, claim, pid } = options;
    this.#options = options;
    this.#router = router;
    this.#weights = weightsOf(router.plan);
    const weights = (): readonly DeviceWeights[] => this.#weights;
    const holds = (model: number): boolean => this.holds(model);
    this.#audits =
      audit &&
      new DeviceAudits({
        ...audit,
        ...{ device, specs, router, weights, holds, judge, maxPayloadBytes },
        sizeOf: sampleSize(specs),
        batchMs: (model, batch, size) => this.#work.loop.plannedMs(model, batch, size),
      });
    this.#work = new DeviceWork(
      {
        ...options,
        ...{ weights, holds, audits: this.#audits, watchMs: HEARTBEAT_INTERVAL_MS },
        phase: () => this.#phase,
        sendHeartbeat: (at, out) => this.#sendHeartbeat(at, out),
        onStarted: (at, out) => this.#sendIfUrgent(at, out),
      },
      now,
    );
    this.#claim = new DeviceClaim(claim ?? String(pid));
    this.#report = new DeviceReport({ ...options, holds, work: this.#work, audits: this.#audits, claim: this.#claim }, now);
    this.#incarnation = this.#newIncarnation(now);
  }

  /** Whether everything sent before leaving has reached the server. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get isIdle(): boolean {
    return this.#work.loop.isIdle;
  }

  /** Whether requests wait for a model here. */
  hasWork(model: number): boolean {
    return this.#work.loop.hasWork(model);
  }

  /** Whether this device holds the weights in force for a model. */
  holds(model: number): boolean {
    return this.#options.replicas.has(this.#weights[model]);
  }

  /** Whether to read work that arrives now. */
  get takesWork(): boolean {
    return !this.#stale && this.#phase !== 'left';
  }

  /** @param model its name, from the subject of the work. */
  onWork(model: string, frame: WorkFrame, now: number): readonly DeviceEffect[] {
    return collect((out) => this.#work.take(this.#options.models.indexOf(model), frame, now, out));
  }

  /** Clients cancelled requests. Collects them, so that one search finds all. */
  onCancel({ origin, seqs }: CancelFrame, now: number): readonly DeviceEffect[] {
    const isFirst = this.#cancelled.size === 0;
    const known = this.#cancelled.get(origin) ?? new Set();
    for (const seq of seqs) known.add(seq);
    this.#cancelled.set(origin, known);
    return isFirst ? [perform({ type: 'cancel-at', at: Math.max(now, this.#nextCancelAt) })] : NO_EFFECTS;
  }

  dropCancelled(now: number): readonly DeviceEffect[] {
    const cancelled = this.#cancelled;
    this.#nextCancelAt = now + CANCEL_INTERVAL_MS;
    this.#cancelled = new Map();
    return collect((out) => this.#work.cancel(cancelled, now, out));
  }

  onAudit(item: AuditItem, now: number): readonly DeviceEffect[] {
    return collect((out) => {
      if (this.#audits?.enqueue(item)) this.#work.loop.pump(now, out);
    });
  }

  onOutput(order: BatchOrder, output: BatchOutput, now: number): readonly DeviceEffect[] {
    return collect((out) => this.#work.loop.done(order, output, now, out));
  }

  /** An inference failed as a whole. */
  onFailed(order: BatchOrder, error: unknown, now: number): readonly DeviceEffect[] {
    return collect((out) => this.#work.loop.failed(order, error, now, out));
  }

  /** An inference in spare time has ended; without an output it has failed. */
  onSpareOutput(output: BatchOutput | undefined, now: number): readonly DeviceEffect[] {
    return collect((out) => this.#work.loop.spareDone(output, now, out));
  }

  /** The backend died, and the actor will fail with it. It restarts with a new backend, and frontends send the requests again. */
  onDied(now: number): readonly DeviceEffect[] {
    if (this.#options.computesElsewhere) return this.onServerLost(now);
    this.#blamed = this.#work.loop.running;
    return collect((out) => this.#sendHeartbeat(now, out));
  }

  /** The remote server is unreachable. No request is to blame, and frontends send all of them elsewhere at once. */
  onServerLost(now: number): readonly DeviceEffect[] {
    this.#blamed = [];
    return this.enter('left', now);
  }

  /**
   * Answers have been sent.
   * @param batch the batch that these answers complete, if any.
   */
  onSent(answers: readonly Answer[], batch: BatchOrder | undefined, now: number): readonly DeviceEffect[] {
    return collect((out) => this.#work.onSent(answers, batch, now, out));
  }

  onWake(now: number): readonly DeviceEffect[] {
    return collect((out) => this.#work.loop.pump(now, out));
  }

  onGear(message: GearMessage, now: number): readonly DeviceEffect[] {
    return collect((out) => {
      const { revision, epoch, gear } = this.#router;
      if (!this.#router.apply(message)) out.push(send(TELL_PLAN, new Uint8Array()));
      if (this.#router.epoch !== epoch) this.#gearDelayMs = now - message.decidedAt;
      if (this.#router.revision !== revision) {
        this.#options.replicas.committed();
        this.#weights = this.#options.weightsOf(this.#router.plan);
      }
      // Leftovers of models that the new gear does not use run at once; shorter minimum queue lengths may trigger.
      if (this.#router.gear !== gear) this.#work.loop.pump(now, out);
    });
  }

  /** @throws DeviceTakenError when another process runs this device, too, and this one has to leave. */
  onState(state: DeviceState, now: number): readonly DeviceEffect[] {
    const { device, pid } = this.#options;
    this.#claim.hear(state, now);
    if (state.device === device && this.#claim.losesTo(state, this.#phase === 'ready', now)) {
      throw new DeviceTakenError(
        `device ${device} is also run by process ${state.pid} of host ${state.host}: that one stays, this one (${pid}) leaves`,
      );
    }
    this.#router.observe(state, now);
    return NO_EFFECTS;
  }

  /** A plan has been prepared, or cannot be. */
  onPrepared({ revision, problem }: Prepared, now: number): readonly DeviceEffect[] {
    const { device } = this.#options;
    const incarnation = this.#incarnation;
    return collect((out) => {
      // The heartbeat comes first, so that frontends know the new replicas before they route to them.
      this.#sendHeartbeat(now, out);
      out.push(
        note(problem === undefined ? 'info' : 'warn', problem === undefined ? 'prepared a plan' : 'cannot prepare a plan', {
          revision,
          problem,
        }),
      );
      out.push(send(PREPARED, { revision, device, incarnation, ...(problem === undefined ? {} : { problem }) }));
    });
  }

  /** Messages in both directions were lost, so we act towards the frontends as if restarted. */
  reconnected(now: number): readonly DeviceEffect[] {
    this.#claim.away();
    this.#incarnation = this.#newIncarnation(now);
    this.#router.markStale(now);
    return NO_EFFECTS;
  }

  heartbeat(now: number): readonly DeviceEffect[] {
    return collect((out) => {
      this.#router.sweep(now);
      this.#checkProgress(now, out);
      this.#sendHeartbeat(now, out);
    });
  }

  enter(phase: DeviceState['phase'], now: number): readonly DeviceEffect[] {
    return collect((out) => this.#enter(phase, now, out));
  }

  /** Everything we sent has reached the server, and nobody sends us work any more. */
  end(): readonly DeviceEffect[] {
    this.#hasEnded = true;
    return NO_EFFECTS;
  }

  /** All work that was sent before the pause has arrived. */
  caughtUp(now: number): readonly DeviceEffect[] {
    if (this.#phase === 'left') return NO_EFFECTS;
    this.#stale = false;
    this.#incarnation = this.#newIncarnation(now);
    return collect((out) => {
      this.#sendHeartbeat(now, out);
      this.#work.loop.pump(now, out);
    });
  }

  /** Checks that the running inference and this process itself make progress. */
  #checkProgress(now: number, out: DeviceEffect[]): void {
    const { loop } = this.#work;
    const { sinceLastMs, hung } = loop.watch(now, this.#options.replicas.underWay);
    const serves = this.#phase === 'ready' || this.#phase === 'draining';
    if (sinceLastMs > DEVICE_LOST_AFTER_MS && serves) this.#startOver(sinceLastMs, out);
    // A remote server may be busy; its own `timeout` bounds that.
    if (!hung || this.#phase === 'left' || this.#options.computesElsewhere) return;
    out.push(note('error', 'an inference takes far longer than profiled: the device hangs', { queued: loop.clear() }));
    this.#blamed = loop.running;
    this.#enter('left', now, out);
    out.push(perform({ type: 'hung' }));
  }

  /**
   * After a pause so long that the frontends consider this device lost: they have sent its requests elsewhere, or will once they see
   * the new incarnation. That includes work that arrived during the pause, which we still have to read and ignore.
   */
  #startOver(pausedMs: number, out: DeviceEffect[]): void {
    const dropped = this.#work.loop.clear();
    const words = 'this process was paused; its queued requests have been sent elsewhere';
    this.#claim.away();
    this.#stale = true;
    out.push(note('warn', words, { pausedMs: Math.round(pausedMs), dropped }), perform({ type: 'catch-up' }));
  }

  #newIncarnation(now: number): string {
    return `${this.#options.pid}-${Math.floor(now)}`;
  }

  #enter(phase: DeviceState['phase'], now: number, out: DeviceEffect[]): void {
    this.#phase = phase;
    // Everything collected so far must reach the frontends before the new phase does.
    out.push(perform({ type: 'flush' }));
    this.#sendHeartbeat(now, out);
    // Draining: requests that wait for a fuller batch run now. Ready: work may have arrived since we subscribed.
    if (phase !== 'left') this.#work.loop.pump(now, out);
    if (phase === 'ready') out.push(perform({ type: 'ready' }));
  }

  /** A growing backlog cannot wait for the next heartbeat, because within 100 ms it may exceed the SLO. */
  #sendIfUrgent(now: number, out: DeviceEffect[]): void {
    const { urgentBacklogMs = Number.POSITIVE_INFINITY } = this.#options;
    if (urgentBacklogMs === Number.POSITIVE_INFINITY || now - this.#heartbeatAt < URGENT_INTERVAL_MS) return;
    if (this.#work.loop.backlogMs(now) > urgentBacklogMs) this.#sendHeartbeat(now, out);
  }

  #sendHeartbeat(now: number, out: DeviceEffect[]): void {
    this.#heartbeatAt = now;
    const { running } = this.#work.loop;
    const blamed = this.#blamed ?? (running.length === 1 && running[0].item.alone ? running : undefined);
    this.#report.send({ phase: this.#phase, incarnation: this.#incarnation, gearDelayMs: this.#gearDelayMs, blamed }, now, out);
  }
}

function collect(fill: (out: DeviceEffect[]) => void): readonly DeviceEffect[] {
  const out: DeviceEffect[] = [];
  fill(out);
  return out;
}
