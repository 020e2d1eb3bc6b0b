import type { Clock } from '../../../engine/clock.ts';
import { wholeTicks } from './process-clock.ts';

/** One direction of a connection: messages come out in order, after a delay, until it is cut. */
export class Link {
  readonly #clock: Clock;
  readonly #delayMs: () => number;
  #underWay: (() => void)[] = [];
  #lastAt = 0;
  #cut = false;

  constructor(clock: Clock, delayMs: () => number) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  /** False if the message is lost, which the sender does not see. */
  send(arrive: () => void): boolean {
    if (this.#cut) return false;
    const now = this.#clock.now();
    this.#lastAt = Math.max(this.#lastAt, now + wholeTicks(this.#delayMs()));
    const underWay = this.#underWay;
    underWay.push(arrive);
    this.#clock.after(this.#lastAt - now, () => underWay.shift()?.());
    return true;
  }

  /** Closes the link. Of the messages under way the first share still arrives. Returns how many are lost. */
  cut(arriving: number): number {
    this.#cut = true;
    const lost = this.#underWay.splice(Math.floor(this.#underWay.length * arriving));
    return lost.length;
  }
}
