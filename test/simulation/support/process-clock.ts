import type { Clock } from '../../../engine/clock.ts';

/** Times are multiples of this, so that their sums and differences are exact whatever the clock skews. */
const TICK_MS = 1 / 1024;

export function wholeTicks(ms: number): number {
  return Math.ceil(ms / TICK_MS) * TICK_MS;
}

/** The order in which a process runs what became due during a pause: either may come first in an event loop. */
export type ReleaseOrder = 'as due' | 'timers first' | 'deliveries first';

interface Held {
  readonly timer: boolean;
  readonly run: () => void;
}

/**
 * The event loop of one simulated process: its timers, and events from outside. All of it ends when the process is
 * killed, and is held while it is paused.
 */
export class ProcessClock implements Clock {
  readonly #world: Clock;
  readonly #skewMs: number;
  #state: 'running' | 'paused' | 'dead' = 'running';
  #held: Held[] = [];

  /** @param skewMs how far this host's clock is ahead of the world's; whole milliseconds. */
  constructor(world: Clock, skewMs = 0) {
    this.#world = world;
    this.#skewMs = skewMs;
  }

  now(): number {
    return this.#world.now() + this.#skewMs;
  }

  after(delayMs: number, fn: () => void): () => void {
    let wanted = true;
    const cancelWorld = this.#world.after(wholeTicks(Math.max(0, delayMs)), () => this.#run(true, () => wanted && fn()));
    return () => {
      wanted = false;
      cancelWorld();
    };
  }

  soon(fn: () => void): void {
    this.after(0, fn);
  }

  /** Something happens to the process from outside: a message arrives, a connection breaks. */
  deliver(fn: () => void): void {
    this.#run(false, fn);
  }

  get alive(): boolean {
    return this.#state !== 'dead';
  }

  get paused(): boolean {
    return this.#state === 'paused';
  }

  /** SIGKILL. */
  kill(): void {
    this.#state = 'dead';
    this.#held = [];
  }

  /** SIGSTOP. */
  pause(): void {
    if (this.#state === 'running') this.#state = 'paused';
  }

  /** SIGCONT: held events happen now, one turn each, before anything that becomes due later. */
  resume(order: ReleaseOrder): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    const held = this.#held;
    this.#held = [];
    const first = (timer: boolean): Held[] => [
      ...held.filter((each) => each.timer === timer),
      ...held.filter((each) => each.timer !== timer),
    ];
    const released = order === 'as due' ? held : first(order === 'timers first');
    for (const { timer, run } of released) this.#world.after(0, () => this.#run(timer, run));
  }

  #run(timer: boolean, run: () => void): void {
    if (this.#state === 'running') run();
    else if (this.#state === 'paused') this.#held.push({ timer, run });
  }
}
