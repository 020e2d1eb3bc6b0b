import { NO_EFFECTS, note, perform, send } from '../../engine/actor/effect.ts';
import type { BatchOutput } from '../../engine/backend/backend.ts';
import { DeviceTakenError } from '../../engine/errors.ts';
import { sampleSize } from '../../plans/policy/company.ts';
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

/** The queue lengths that a gear is chosen by are as old as that at most; the simulator has it so. */
export const HEARTBEAT_INTERVAL_MS = LOAD_INTERVAL_MS;
/** The queues are looked through for what is given up no more often: of 50,000 requests that takes a millisecond. */
const CANCEL_INTERVAL_MS = 10;

export interface DeviceCoreOptions
  extends Pick<DeviceWorkOptions, 'models' | 'classes' | 'judge' | 'device' | 'specs' | 'bounds' | 'tracing'> {
  readonly host: string;
  readonly pid: number;
  /** See DeviceClaim. Default: the pid, for a device that no other host runs. */
  readonly claim?: string | undefined;
  /** What plans mean on this device. */
  readonly weightsOf: WeightsOf;
  /** Computing time of the queues from which on they are told at once, and not with the next heartbeat; default: never. */
  readonly urgentBacklogMs?: number | undefined;
  /** Whether and how answers are audited; needs bins of the certainties. By default none are. */
  readonly audit?: AuditOptions | undefined;
}

/** What a device's process gives its core. */
export interface DeviceSurroundings {
  readonly router: Router;
  readonly replicas: ReplicasHere;
  readonly vitals: (now: number) => Vitals;
  /** A server computes for this device. */
  readonly computesElsewhere: boolean;
  /** Of the NATS server. */
  readonly maxPayloadBytes: number;
}

/** What a device knows and decides. Each call says what is to be done about it; on the way of each request, so state is mutable. */
export class DeviceCore {
  readonly #options: DeviceCoreOptions & DeviceSurroundings;
  readonly #router: Router;
  readonly #work: DeviceWork;
  readonly #audits: DeviceAudits | undefined;
  readonly #claim: DeviceClaim;
  readonly #report: DeviceReport;
  #incarnation: string;
  /** Per model: those of the plan in force. */
  #weights: readonly DeviceWeights[];
  #phase: DeviceState['phase'] = 'loading';
  #hasEnded = false;
  #heartbeatAt = 0;
  /** The batch that this device dies of: frontends try its requests once more, alone, and what else is here in batches. */
  #blamed: readonly Queued[] | undefined;
  #gearDelayMs = 0;
  /** Requests that were given up a moment ago, by origin. */
  #cancelled = new Map<string, Set<number>>();
  #nextCancelAt = 0;
  /** What comes in was sent before a pause of this process, and has been sent again by its frontends. */
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

  /** What was to be said when it left has been said. */
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

  /** Whether the weights that the plan in force names are here. */
  holds(model: number): boolean {
    return this.#options.replicas.has(this.#weights[model]);
  }

  /** Whether work that comes now is to be read. */
  get takesWork(): boolean {
    return !this.#stale && this.#phase !== 'left';
  }

  /** @param model its name, as the subject of the work has it. */
  onWork(model: string, frame: WorkFrame, now: number): readonly DeviceEffect[] {
    return collect((out) => this.#work.take(this.#options.models.indexOf(model), frame, now, out));
  }

  /** Clients have given requests up: what is given up one by one is looked for together. */
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

  /** An inference has failed as a whole. */
  onFailed(order: BatchOrder, error: unknown, now: number): readonly DeviceEffect[] {
    return collect((out) => this.#work.loop.failed(order, error, now, out));
  }

  /** An inference in spare time has ended; without an output it has failed. */
  onSpareOutput(output: BatchOutput | undefined, now: number): readonly DeviceEffect[] {
    return collect((out) => this.#work.loop.spareDone(output, now, out));
  }

  /** The backend is gone, and takes the actor with it: it starts again with a new one, and frontends send again. */
  onDied(now: number): readonly DeviceEffect[] {
    if (this.#options.computesElsewhere) return this.onServerLost(now);
    this.#blamed = this.#work.loop.running;
    return collect((out) => this.#sendHeartbeat(now, out));
  }

  /** The server that computes for this device is gone: no request is to blame, and all are sent elsewhere at once. */
  onServerLost(now: number): readonly DeviceEffect[] {
    this.#blamed = [];
    return this.enter('left', now);
  }

  /**
   * Answers that have gone out.
   * @param batch has ended with them.
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
        // In force is no longer to come.
        this.#options.replicas.committed();
        this.#weights = this.#options.weightsOf(this.#router.plan);
      }
      // Leftovers of models that the new gear does not use run at once; shorter minimum queue lengths may trigger.
      if (this.#router.gear !== gear) this.#work.loop.pump(now, out);
    });
  }

  /** @throws DeviceTakenError when another process has this device, too, and stays. */
  onState(state: DeviceState, now: number): readonly DeviceEffect[] {
    const { device, pid } = this.#options;
    if (state.device === device && this.#claim.losesTo(state, this.#phase === 'ready', now)) {
      throw new DeviceTakenError(
        `device ${device} is run by process ${state.pid} of host ${state.host} as well: that one stays, this one (${pid}) leaves`,
      );
    }
    this.#router.observe(state, now);
    return NO_EFFECTS;
  }

  /** A plan to come has been prepared, or cannot be. */
  onPrepared({ revision, problem }: Prepared, now: number): readonly DeviceEffect[] {
    const { device } = this.#options;
    const incarnation = this.#incarnation;
    return collect((out) => {
      // Frontends learn by the heartbeat where the new replicas are: before anything is routed to them.
      this.#sendHeartbeat(now, out);
      out.push(note(problem === undefined ? 'info' : 'warn', 'prepared for a plan', { revision, problem }));
      out.push(send(PREPARED, { revision, device, incarnation, ...(problem === undefined ? {} : { problem }) }));
    });
  }

  /** What was sent to us meanwhile is gone, and so is what we said: to the frontends we are as good as restarted. */
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

  /** What was said before has reached the server: nobody sends anything here any more. */
  end(): readonly DeviceEffect[] {
    this.#hasEnded = true;
    return NO_EFFECTS;
  }

  /** All that was sent before the pause has come. */
  caughtUp(now: number): readonly DeviceEffect[] {
    if (this.#phase === 'left') return NO_EFFECTS;
    this.#stale = false;
    this.#incarnation = this.#newIncarnation(now);
    return collect((out) => {
      this.#sendHeartbeat(now, out);
      this.#work.loop.pump(now, out);
    });
  }

  /** Liveness is progress: of the inference that runs, and of this process itself. */
  #checkProgress(now: number, out: DeviceEffect[]): void {
    const { loop } = this.#work;
    const { sinceLastMs, hung } = loop.watch(now, this.#options.replicas.underWay);
    const serves = this.#phase === 'ready' || this.#phase === 'draining';
    if (sinceLastMs > DEVICE_LOST_AFTER_MS && serves) this.#startOver(sinceLastMs, out);
    if (!hung || this.#phase === 'left') return;
    out.push(note('error', 'an inference takes far longer than profiled: the device hangs', { queued: loop.clear() }));
    this.#blamed = loop.running;
    this.#enter('left', now, out);
    out.push(perform({ type: 'hung' }));
  }

  /**
   * After a pause so long that the frontends have taken this device for lost: what they had sent is computed elsewhere, or will be
   * once they read of the new incarnation. What arrived meanwhile is before us in the connection, and goes the same way.
   */
  #startOver(pausedMs: number, out: DeviceEffect[]): void {
    const dropped = this.#work.loop.clear();
    const words = 'this process was paused; what was queued has been sent elsewhere';
    this.#claim.away();
    this.#stale = true;
    out.push(note('warn', words, { pausedMs: Math.round(pausedMs), dropped }), perform({ type: 'catch-up' }));
  }

  #newIncarnation(now: number): string {
    return `${this.#options.pid}-${Math.floor(now)}`;
  }

  #enter(phase: DeviceState['phase'], now: number, out: DeviceEffect[]): void {
    this.#phase = phase;
    // Everything said before must reach the frontends before this device is gone.
    out.push(perform({ type: 'flush' }));
    this.#sendHeartbeat(now, out);
    // Draining: what waits for company runs now. Ready: work may have come while the server was told of the subscriptions.
    if (phase !== 'left') this.#work.loop.pump(now, out);
    if (phase === 'ready') out.push(perform({ type: 'ready' }));
  }

  /** A backlog that grows cannot wait for the next heartbeat: within 100 ms it may be as long as the SLO. */
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
