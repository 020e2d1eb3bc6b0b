import { type CascadeClient, createClient } from '../../../actors/client/client.ts';
import { assertNever, CascadeError, messageOf } from '../../../engine/errors.ts';
import { createRandom, type Random } from '../../../engine/random.ts';
import { VirtualClock } from '../../doubles/virtual-clock.ts';
import { EventLog } from './event-log.ts';
import { FallibleBackends, INJECTED } from './fallible-backend.ts';
import { type Fault, type FaultType, faultsOf, type Shape, shapeOf, TIMES } from './fault-plan.ts';
import { type Distance, FaultyNetwork, type NetworkWatch } from './faulty-network.ts';
import { Invariants } from './invariants.ts';
import { capturingLogger } from './log-capture.ts';
import { Operator } from './operator.ts';
import type { RunReport } from './run-report.ts';
import { DEPLOYMENT, partsOf, servingProcesses } from './serving-processes.ts';
import { type ProcessSpec, SupervisedProcess } from './supervised-process.ts';
import { runWorkload } from './workload.ts';

/** A real date, because fractions of milliseconds are coarser there than near zero. */
const START_MS = 1_800_000_000_000;
/** Time after the last request: its deadline, the frontends' grace, notes under way, and shifting down. */
const QUIET_AFTER_MS = 4_900;
/** A run that needs more steps is in a loop. */
const MOST_STEPS = 2_000_000;
const SKEWS_MS = [0, 0, 3, -40, 2_000, -2_000];
/** The mean delay on a slow link. */
const SLOW_MS = 20;
const MUCH_SLOWER_MS = 150;
const RECONNECT_JITTER_MS = 300;
const HANGS = /the device hangs/;
const DEAD_ACTOR = /actor died/;
/** Errors of a process that is cut off from the server, in its own words or ours. */
const CUT_OFF = /no connection to NATS|no bucket|nobody listens/;

/** Runs one seed, which always takes the same course. `print` gets a readable line for each event. */
export function runSeed(seed: number, print?: (line: string) => void): Promise<RunReport> {
  return new FaultWorld(seed, print).run();
}

class FaultWorld {
  readonly #seed: number;
  readonly #clock = new VirtualClock(START_MS);
  readonly #random: Random;
  readonly #shape: Shape;
  readonly #faults: readonly Fault[];
  readonly #network: FaultyNetwork;
  readonly #log: EventLog;
  readonly #print: ((line: string) => void) | undefined;
  readonly #invariants: Invariants;
  readonly #backends: FallibleBackends;
  readonly #processes = new Map<string, SupervisedProcess>();
  readonly #distances = new Map<string, Distance>();
  readonly #clients = new Map<string, CascadeClient>();
  readonly #operator: Operator;
  readonly #violations: string[] = [];
  readonly #outcomes: Record<string, number> = {};
  readonly #ended: Record<string, number> = {};
  #requests = 0;
  #steps = 0;
  #lost = 0;
  #duplicated = 0;

  constructor(seed: number, print?: (line: string) => void) {
    this.#seed = seed;
    this.#print = print;
    this.#random = createRandom(seed);
    this.#shape = shapeOf(this.#random.split('shape'));
    this.#log = new EventLog(() => this.#now, print);
    this.#backends = new FallibleBackends(this.#shape);
    this.#network = new FaultyNetwork({ clock: this.#clock, random: this.#random, watch: this.#networkWatch() });
    this.#invariants = new Invariants({
      shape: this.#shape,
      now: () => this.#now,
      resumedAt: (process) => (this.#processes.get(process)?.resumedAt ?? Number.NEGATIVE_INFINITY) - START_MS,
      violated: (what) => this.#violated(what),
    });
    this.#operator = new Operator(this.#shape.others, this.#random.split('operator'), (what) => this.#violated(what));
    const serving = servingProcesses(this.#shape, (device, clock) => this.#backends.create(device, clock));
    for (const [name, start] of serving) this.#add(name, start);
    const clients = Array.from({ length: this.#shape.clients }, (_, i) => `client-${i}`);
    for (const name of clients) this.#add(name, this.#clientProcess(name));
    this.#add('operator', async ({ bus, clock }) => {
      this.#operator.start(bus, clock);
      return [];
    });
    this.#faults = faultsOf(this.#random.split('faults'), [...serving.keys()], clients);
  }

  async run(): Promise<RunReport> {
    const start = this.#random.split('start');
    print(this.#print, this.#shape, this.#faults);
    for (const process of this.#processes.values()) this.#clock.after(start.below(200), () => process.start());
    for (const fault of this.#faults) this.#clock.after(fault.at, () => this.#inject(fault));
    this.#clock.after(TIMES.heal, () => this.#heal());
    await this.#runUntil(TIMES.lastRequest + QUIET_AFTER_MS);
    if (this.#violations.length === 0) this.#invariants.atEnd();
    if (this.#violations.length === 0 && this.#faults.length === 0) this.#invariants.atCalmEnd();
    for (const { name, dropped } of this.#processes.values())
      if (dropped.length > 0) this.#violated(`${name} has dropped messages: ${dropped.join(', ')}`);
    this.#operator.atEnd(this.#invariants.gears.revision);
    return this.#report();
  }

  get #now(): number {
    return this.#clock.now() - START_MS;
  }

  async #runUntil(timeMs: number): Promise<void> {
    const until = START_MS + timeMs;
    for (let next = this.#clock.nextAt; next !== undefined && next <= until; next = this.#clock.nextAt) {
      if (this.#violations.length > 0) return;
      if (++this.#steps > MOST_STEPS) return this.#violated(`${MOST_STEPS} steps, and no end`);
      this.#clock.step();
      // Code that waits for a promise runs in the turn of the event loop that settles it, before the next callback.
      if (this.#network.settled || this.#someoneDrains()) {
        this.#network.settled = false;
        await new Promise((resolve) => setImmediate(resolve));
      } else await Promise.resolve();
    }
  }

  #someoneDrains(): boolean {
    for (const process of this.#processes.values()) if (process.draining) return true;
    return false;
  }

  #add(name: string, start: ProcessSpec['start']): void {
    const random = this.#random.split(name);
    const { baseMs, jitterMs } = this.#shape;
    const distance = { baseMs: baseMs * (0.5 + random.next()), jitterMs };
    this.#distances.set(name, distance);
    const spec = { name, skewMs: SKEWS_MS[random.below(SKEWS_MS.length)], distance, startMs: 50 + random.below(250), start };
    const watch = {
      started: (process: string) => {
        this.#log.event(process, 'starts');
        for (const part of partsOf(this.#shape, process)) this.#invariants.started(part);
      },
      ended: (process: string, how: string) => {
        this.#disturbed(process);
        this.#log.event(process, `ends: ${how}`);
        this.#ended[how] = (this.#ended[how] ?? 0) + 1;
      },
      failed: (process: string, error: unknown) => {
        this.#log.event(process, `fails: ${messageOf(error)}`);
        const cutOff = error instanceof CascadeError && error.code === 'UNAVAILABLE' && this.#faults.length > 0;
        if (!cutOff) this.#violated(`${process} failed: ${error instanceof Error ? error.stack : String(error)}`);
      },
    };
    this.#processes.set(name, new SupervisedProcess(spec, this.#clock, this.#network, (part) => this.#logger(part), watch));
  }

  #clientProcess(name: string): ProcessSpec['start'] {
    const { qps, clients } = this.#shape;
    const random = this.#random.split(`workload of ${name}`);
    return async ({ bus, clock }) => {
      let messages = 0;
      const client = createClient(bus, clock, {
        deployment: DEPLOYMENT,
        name,
        newToken: () => String(messages++).padStart(16, '0'),
      });
      this.#clients.set(name, client);
      runWorkload({
        client,
        name,
        clock,
        random,
        qps: qps / clients,
        forMs: TIMES.lastRequest - this.#now,
        next: () => this.#requests++,
        watch: {
          asked: (process, request, deadlineMs) => {
            this.#log.event(process, `asks ${request}`);
            this.#invariants.asked(process, request, deadlineMs);
          },
          ended: (process, request, outcome) => {
            const how = 'code' in outcome ? outcome.code : 'ok';
            this.#log.event(process, `${request} ended: ${'code' in outcome ? `${how}: ${outcome.message}` : how}`);
            this.#outcomes[how] = (this.#outcomes[how] ?? 0) + 1;
            this.#invariants.ended(process, request, outcome);
          },
        },
      });
      return [];
    };
  }

  /** Errors are logged only for injected faults. */
  #logger(part: string): ReturnType<typeof capturingLogger> {
    return capturingLogger(this.#print !== undefined, ({ text, isError, level }) => {
      // Lines below error are only for people, and do not count unless they are printed.
      if (!isError) {
        this.#print?.(`${this.#now.toFixed(3).padStart(10)} ${part.padEnd(12)} ${level}: ${text}`);
        return;
      }
      this.#log.event(part, `${level}: ${text}`);
      if (DEAD_ACTOR.test(text)) this.#invariants.actorDied(part);
      const hangs = HANGS.test(text) && this.#faults.some(({ type }) => type === 'backend-hang');
      const known = hangs || text.includes(INJECTED) || (this.#faults.length > 0 && CUT_OFF.test(text));
      if (!known) this.#violated(`${part} logs ${level}: ${text}`);
    });
  }

  #inject(fault: Fault): void {
    const { type, process: name, forMs, share, noticedMs, serverNoticesMs, order } = fault;
    this.#log.event(name || 'server', `** ${type} **`);
    const process = this.#processes.get(name);
    switch (type) {
      case 'kill':
        process?.kill(share, serverNoticesMs, 0);
        break;
      case 'controller-loss':
        // Gone, or silent for longer than its lease lasts.
        if (share < 0.5) process?.kill(share, serverNoticesMs, forMs);
        else process?.pause(forMs, order);
        break;
      case 'terminate':
        process?.terminate();
        break;
      case 'pause':
        this.#disturbed(name);
        process?.pause(forMs, order);
        break;
      case 'disconnect':
        this.#cutOff(name);
        process?.disconnect({ arriving: share, noticedMs, serverNoticesMs, downMs: forMs });
        break;
      case 'server-restart':
        this.#restartServer(share, forMs);
        break;
      case 'slow-link':
        this.#slowDown(name, SLOW_MS + share * MUCH_SLOWER_MS, forMs);
        break;
      case 'duplication':
        this.#network.duplication = share;
        this.#clock.after(forMs, () => {
          this.#network.duplication = 0;
        });
        break;
      case 'backend-death':
        this.#backends.killNext(name.slice('device-'.length));
        break;
      case 'actor-death':
        if (process?.killActor(share) === true) this.#invariants.actorDied(name);
        break;
      case 'backend-hang':
        this.#backends.hangNext(name.slice('device-'.length));
        break;
      default:
        assertNever(type);
    }
  }

  #disturbed(process: string): void {
    for (const part of partsOf(this.#shape, process)) this.#invariants.disturbed(part);
  }

  #cutOff(process: string): void {
    for (const part of partsOf(this.#shape, process)) this.#invariants.cutOff(part);
  }

  #restartServer(arriving: number, forMs: number): void {
    this.#network.restart();
    for (const process of this.#processes.values()) {
      this.#cutOff(process.name);
      // Each reconnects at its own times.
      const downMs = forMs / 2 + this.#random.below(RECONNECT_JITTER_MS);
      process.disconnect({ arriving, noticedMs: 0, serverNoticesMs: 0, downMs });
    }
  }

  #slowDown(name: string, jitterMs: number, forMs: number): void {
    const distance = this.#distances.get(name)!;
    distance.jitterMs = jitterMs;
    this.#clock.after(forMs, () => {
      distance.jitterMs = this.#shape.jitterMs;
    });
  }

  #heal(): void {
    this.#log.event('server', '** all faults end **');
    this.#network.duplication = 0;
    this.#backends.heal();
    for (const distance of this.#distances.values()) distance.jitterMs = this.#shape.jitterMs;
    for (const process of this.#processes.values()) process.heal();
  }

  #networkWatch(): NetworkWatch {
    return {
      published: (part, message, sent) => {
        this.#log.message(part, sent ? 'says' : 'cannot say', message);
        this.#invariants.published(part, message, sent);
      },
      delivered: (part, message) => {
        this.#log.event(part, '<');
        this.#invariants.delivered(part, message);
      },
      duplicated: () => {
        this.#duplicated++;
      },
      arrived: (message) => this.#invariants.arrived(message),
      lost: (process, messages) => {
        this.#cutOff(process);
        this.#lost += messages;
      },
    };
  }

  #violated(what: string): void {
    this.#log.event('invariant', `violated: ${what}`);
    this.#violations.push(`at ${this.#now.toFixed(3)} ms: ${what}`);
  }

  #report(): RunReport {
    const counted = (of: 'retries' | 'duplicates' | 'late'): number =>
      [...this.#clients.values()].reduce((sum, { counts }) => sum + counts[of], 0);
    const faults: Partial<Record<FaultType, number>> = {};
    for (const { type } of this.#faults) faults[type] = (faults[type] ?? 0) + 1;
    return {
      seed: this.#seed,
      violations: this.#violations,
      hash: this.#log.hash,
      steps: this.#steps,
      faults,
      requests: this.#requests,
      outcomes: this.#outcomes,
      retries: counted('retries'),
      duplicates: counted('duplicates'),
      late: counted('late'),
      messagesLost: this.#lost,
      messagesDuplicated: this.#duplicated,
      ended: this.#ended,
      plansAccepted: this.#operator.accepted,
      plansRejected: this.#operator.rejected,
      mostAnswers: this.#invariants.mostAnswers,
    };
  }
}

function print(print: ((line: string) => void) | undefined, shape: Shape, faults: readonly Fault[]): void {
  if (print === undefined) return;
  print(JSON.stringify(shape));
  for (const fault of faults) print(JSON.stringify(fault));
}
