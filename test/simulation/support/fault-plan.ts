import type { Random } from '../../../engine/random.ts';
import type { GearPlan } from '../../../plans/domain/gear-plan/gear-plan.ts';
import type { ReleaseOrder } from './process-clock.ts';
import { randomPlan } from './random-plan.ts';

/** The deployment of one run, and its load. */
export interface Shape {
  readonly plan: GearPlan;
  /** Other plans, for an operator to push. */
  readonly others: readonly GearPlan[];
  /** Separate processes, or parts of the device processes. */
  readonly frontends: number | 'in-devices';
  readonly controllers: number;
  readonly clients: number;
  readonly maxQueue: number;
  readonly maxInFlight: number;
  /** Per model: time for a batch of one, and for each further sample. */
  readonly firstMs: readonly number[];
  readonly moreMs: readonly number[];
  /** Of all clients together, without bursts. */
  readonly qps: number;
  /** The share of requests that make a model fail. */
  readonly poison: number;
  /** The delays between the processes and the server. */
  readonly baseMs: number;
  readonly jitterMs: number;
}

const FAULT_TYPES = [
  'kill',
  'terminate',
  'pause',
  'disconnect',
  'server-restart',
  'slow-link',
  'duplication',
  'backend-death',
  'backend-hang',
  'controller-loss',
  'actor-death',
] as const;
export type FaultType = (typeof FAULT_TYPES)[number];

/** A fault: what, when, where, and for how long. Each type reads the fields it needs. */
export interface Fault {
  readonly type: FaultType;
  readonly at: number;
  /** The name of a process; empty if all are affected. */
  readonly process: string;
  readonly forMs: number;
  /** The share of a process's sent messages that still arrives; or the probability of a duplicate; or which of its actors dies. */
  readonly share: number;
  /** The time until the process, and the server, notice a broken connection. */
  readonly noticedMs: number;
  readonly serverNoticesMs: number;
  readonly order: ReleaseOrder;
}

/** Milliseconds since the start of the run. */
export const TIMES = {
  load: 100,
  firstFault: 600,
  /** All faults end: dead processes come up, and slow ones recover. */
  heal: 3_000,
  /** From here on each request with enough time must be answered with a result. */
  healthy: 5_200,
  lastRequest: 5_600,
} as const;

const MOST_FAULTS = 7;
/** The share of seeds whose device processes accept requests themselves. */
const IN_DEVICES = 0.35;
/** The share of seeds without any fault: there each request is answered exactly once. */
const CALM = 0.08;

export function shapeOf(random: Random): Shape {
  const models = ['small', 'medium', 'large'].slice(0, 1 + random.below(3));
  const devices = ['a', 'b', 'c', 'd'].slice(0, 1 + random.below(4));
  const firstMs = models.map((_, model) => 1 + random.below(3) + model * 2);
  const plan = randomPlan(random, models, devices);
  const others = Array.from({ length: random.below(4) }, () => randomPlan(random, models, devices));
  const frontends = 1 + random.below(3);
  return {
    plan,
    others,
    frontends: random.split('frontends').next() < IN_DEVICES ? 'in-devices' : frontends,
    controllers: 1 + random.below(2),
    clients: 1 + random.below(2),
    maxQueue: random.next() < 0.15 ? 4 + random.below(12) : 2_000,
    maxInFlight: random.next() < 0.15 ? 4 + random.below(12) : 2_000,
    firstMs,
    moreMs: firstMs.map((ms) => ms / 8),
    qps: 10 + random.below(40),
    poison: random.next() < 0.3 ? 0.03 : 0,
    baseMs: [0, 0.1, 0.5, 5][random.below(4)],
    jitterMs: [0, 0.05, 0.5, 3][random.below(4)],
  };
}

/**
 * Each run has some of the kinds of faults (swarm testing), so that no kind hides what another would reveal.
 * @param serving processes that a supervisor restarts; `clients` are not killed, because then nobody would know the outcome of their
 *   requests.
 */
export function faultsOf(random: Random, serving: readonly string[], clients: readonly string[]): Fault[] {
  if (random.next() < CALM) return [];
  const types = FAULT_TYPES.filter(() => random.next() < 0.4);
  if (types.length === 0) types.push(FAULT_TYPES[random.below(FAULT_TYPES.length)]);
  const ofKind = (kind: string): string[] => serving.filter((name) => name.startsWith(kind));
  const candidates: Readonly<Record<FaultType, readonly string[]>> = {
    kill: serving,
    terminate: serving,
    pause: [...serving, ...clients],
    disconnect: [...serving, ...clients],
    'server-restart': [''],
    'slow-link': [...serving, ...clients],
    duplication: [''],
    'backend-death': ofKind('device-'),
    'backend-hang': ofKind('device-'),
    'controller-loss': ofKind('controller-'),
    'actor-death': ofKind('controller-'),
  };
  return Array.from({ length: 1 + random.below(MOST_FAULTS) }, (): Fault => {
    const type = types[random.below(types.length)];
    const among = candidates[type];
    return {
      type,
      at: TIMES.firstFault + random.below(TIMES.heal - TIMES.firstFault),
      process: among[random.below(among.length)],
      forMs: lengthOf(type, random),
      share: type === 'duplication' ? 0.02 + 0.2 * random.next() : random.next(),
      noticedMs: random.next() < 0.7 ? 0 : random.below(1_200),
      serverNoticesMs: random.next() < 0.7 ? random.below(5) : random.below(1_500),
      order: (['as due', 'timers first', 'deliveries first'] as const)[random.below(3)],
    };
  }).sort((a, b) => a.at - b.at);
}

function lengthOf(type: FaultType, random: Random): number {
  switch (type) {
    case 'controller-loss':
      return 800 + random.below(1_600);
    case 'pause':
      // Below the time after which a device counts as lost, about equal to it, and far beyond it.
      return [50, 400, 900, 1_100, 2_500][random.below(5)] + random.below(200);
    default:
      return random.below(2_000);
  }
}
