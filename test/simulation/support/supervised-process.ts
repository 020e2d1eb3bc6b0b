import type { SupervisedActor } from '../../../engine/actor/actor.ts';
import type { Bus } from '../../../engine/bus/bus.ts';
import type { Clock } from '../../../engine/clock.ts';
import type { Logger } from '../../../engine/log.ts';
import { FaultyBus } from './faulty-bus.ts';
import type { Distance, FaultyNetwork } from './faulty-network.ts';
import { partBus } from './part-bus.ts';
import { ProcessClock, type ReleaseOrder } from './process-clock.ts';

/** What actors run on. */
interface System {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What the main of a process has. */
export interface ProcessContext extends System {
  /** 0 at the first start, and one more at each restart. */
  readonly incarnation: number;
  readonly pid: number;
  /** Ends the process at once, from inside. */
  readonly exit: () => void;
  /** The same, for actors that are watched under their own name. */
  part(name: string): System;
}

export interface ProcessSpec {
  readonly name: string;
  /** The clock skew of its host, which restarts do not change. */
  readonly skewMs: number;
  readonly distance: Distance;
  /** The time from exec to the start of the first actor. */
  readonly startMs: number;
  /** Starts the actors of this process, like its main, in groups that drain one after the other; the process ends if it rejects. */
  readonly start: (context: ProcessContext) => Promise<readonly (readonly SupervisedActor[])[]>;
}

/** What a process reports to its watchers. */
export interface ProcessWatch {
  started(process: string): void;
  ended(process: string, how: string): void;
  /** A process, or an actor in it, gave up. */
  failed(process: string, error: unknown): void;
}

const FIRST_PID = 1_000;
const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 800;
const DRAIN_MS = 1_000;
const ACTOR_RESTART_MS = 100;

/** A process and its supervisor, which restarts it after a growing pause whenever it ends. */
export class SupervisedProcess {
  readonly name: string;
  readonly #spec: ProcessSpec;
  readonly #world: Clock;
  readonly #network: FaultyNetwork;
  readonly #log: (part: string) => Logger;
  readonly #watch: ProcessWatch;
  #incarnation = 0;
  #backoffMs = FIRST_BACKOFF_MS;
  #notBefore = 0;
  #clock: ProcessClock | undefined;
  #bus: FaultyBus | undefined;
  #groups: readonly (readonly SupervisedActor[])[] = [];
  /** Promises are being resolved: turns must not overlap. */
  draining = false;
  /** When it last resumed after a pause. */
  resumedAt = Number.NEGATIVE_INFINITY;

  constructor(spec: ProcessSpec, world: Clock, network: FaultyNetwork, log: (part: string) => Logger, watch: ProcessWatch) {
    this.name = spec.name;
    this.#spec = spec;
    this.#world = world;
    this.#network = network;
    this.#log = log;
    this.#watch = watch;
  }

  /** Messages that the running actors dropped because they could not decode them, by reason. */
  get dropped(): string[] {
    return this.#groups.flat().flatMap(({ dropped }) => Object.keys(dropped));
  }

  start(): void {
    const { name, skewMs, distance, start } = this.#spec;
    const clock = new ProcessClock(this.#world, skewMs);
    const bus = new FaultyBus(this.#network, name, clock, distance);
    this.#clock = clock;
    this.#bus = bus;
    this.#watch.started(name);
    const incarnation = this.#incarnation++;
    this.#groups = [];
    const exit = (): void => {
      if (this.#clock === clock) this.#exit(clock, bus, 'hung');
    };
    const part = (of: string): System => ({ bus: partBus(bus, of), clock, log: this.#log(of) });
    start({ bus, clock, log: this.#log(name), incarnation, pid: FIRST_PID + incarnation, exit, part }).then(
      (groups) => {
        if (this.#clock !== clock) return;
        this.#groups = groups;
        for (const actor of groups.flat()) void actor.finished.then((cause) => cause && this.#watch.failed(name, cause));
      },
      (error) => {
        if (this.#clock !== clock) return;
        this.#watch.failed(name, error);
        this.#exit(clock, bus, 'could not start');
      },
    );
  }

  /** SIGKILL: the state of the process is gone, and so are all but the first share of its sent messages. */
  kill(arriving: number, serverNoticesMs: number, notAgainForMs: number): void {
    if (this.#clock === undefined) return;
    this.#clock.kill();
    this.#bus?.cut(arriving, serverNoticesMs);
    this.#notBefore = this.#world.now() + notAgainForMs;
    this.#end('killed');
  }

  /** An actor dies and is restarted by its supervisor. @param which of them, from 0 up to 1. @returns whether there was one. */
  killActor(which: number): boolean {
    const clock = this.#clock;
    const actors = this.#groups.flat();
    if (clock === undefined || clock.paused || this.draining || actors.length === 0) return false;
    const actor = actors[Math.floor(which * actors.length)];
    actor.suspend();
    clock.after(ACTOR_RESTART_MS, () => actor.resume());
    return true;
  }

  /** SIGTERM: drains, leaves, and is restarted. */
  terminate(): void {
    const clock = this.#clock;
    const bus = this.#bus;
    if (clock === undefined || bus === undefined || this.draining) return;
    this.draining = true;
    // A paused process gets the signal when it resumes.
    clock.deliver(() => {
      drain(this.#groups, clock)
        .then(() => (clock.alive ? bus.close() : undefined))
        .then(() => {
          if (this.#clock === clock) this.#exit(clock, bus, 'drained');
        })
        .catch((error) => this.#watch.failed(this.name, error));
    });
  }

  /** SIGSTOP, and SIGCONT after this time. */
  pause(forMs: number, order: ReleaseOrder): void {
    const clock = this.#clock;
    if (clock === undefined || clock.paused) return;
    clock.pause();
    this.#world.after(forMs, () => this.#resume(clock, order));
  }

  disconnect(how: Parameters<FaultyBus['disconnect']>[0]): void {
    this.#bus?.disconnect(how);
  }

  /** All faults of this process end. */
  heal(): void {
    this.#notBefore = 0;
    const clock = this.#clock;
    const bus = this.#bus;
    if (clock === undefined || bus === undefined) {
      this.#restart(0);
      return;
    }
    if (clock.paused) this.#resume(clock, 'as due');
    clock.deliver(() => bus.heal());
  }

  #resume(clock: ProcessClock, order: ReleaseOrder): void {
    if (!clock.paused) return;
    if (this.#clock === clock) this.resumedAt = this.#world.now();
    clock.resume(order);
  }

  #exit(clock: ProcessClock, bus: FaultyBus, how: string): void {
    clock.kill();
    bus.cut(1, 0);
    this.#end(how);
  }

  #end(how: string): void {
    this.#clock = undefined;
    this.#bus = undefined;
    this.draining = false;
    this.#watch.ended(this.name, how);
    this.#restart(this.#backoffMs);
    this.#backoffMs = Math.min(2 * this.#backoffMs, LONGEST_BACKOFF_MS);
  }

  #restart(inMs: number): void {
    const incarnation = this.#incarnation;
    const waitMs = Math.max(inMs, this.#notBefore - this.#world.now()) + this.#spec.startMs;
    this.#world.after(waitMs, () => {
      if (this.#clock === undefined && this.#incarnation === incarnation) this.start();
    });
  }
}

/** Drains like a real process: one group after the other, all within one deadline. */
async function drain(groups: readonly (readonly SupervisedActor[])[], clock: Clock): Promise<void> {
  const endsAt = clock.now() + DRAIN_MS;
  for (const actors of groups) await Promise.all(actors.map((actor) => actor.stop(Math.max(0, endsAt - clock.now()))));
}
