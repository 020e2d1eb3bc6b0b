import { LOOK_AHEAD } from '../../plans/policy/company.ts';
import { RequestQueue } from './request-queue.ts';

interface Waiting {
  readonly company?: string | undefined;
  readonly enqueuedAt: number;
  readonly item: { readonly client?: number | undefined };
}

/**
 * A queue in which clients take turns, one request each, so that nobody waits behind all that another one has sent: each gets an equal
 * share of what the device can do, and what one does not use is the others'. With one client it is a queue like any other.
 */
export class FairQueue<T extends Waiting> {
  /** By client; whose turn it is, is first. */
  readonly #lanes = new Map<number, RequestQueue<T>>();
  /** An empty one, to be used again. */
  #spare: RequestQueue<T> | undefined;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The one that is served next. */
  peek(): T | undefined {
    for (const lane of this.#lanes.values()) return lane.peek();
    return undefined;
  }

  /** Since when the longest waiting one waits; undefined when the queue is empty. */
  oldestAt(): number | undefined {
    let oldest: number | undefined;
    for (const lane of this.#lanes.values()) {
      const at = lane.peek()?.enqueuedAt;
      if (at !== undefined && (oldest === undefined || at < oldest)) oldest = at;
    }
    return oldest;
  }

  lengthOf(client = 0): number {
    return this.#lanes.get(client)?.length ?? 0;
  }

  push(value: T): void {
    const { client = 0 } = value.item;
    let lane = this.#lanes.get(client);
    if (lane === undefined) {
      lane = this.#spare ?? new RequestQueue<T>();
      this.#spare = undefined;
      this.#lanes.set(client, lane);
    }
    lane.push(value);
    this.#length++;
  }

  /**
   * Takes the one that is served next and those of its company, of each client in turn the oldest, until `take` says that it was the
   * last.
   */
  takeAlike(take: (value: T) => 'more' | 'last'): void {
    const counted = (value: T): 'more' | 'last' => {
      this.#length--;
      return take(value);
    };
    const company = this.peek()?.company;
    // Turns in which a client had nothing to give, one after the other.
    let empty = 0;
    let turns = 0;
    while (this.#lanes.size > 0 && empty < Math.min(this.#lanes.size, LOOK_AHEAD)) {
      const [[client, lane]] = this.#lanes;
      if (this.#lanes.size === 1 && turns === 0) {
        lane.takeAlike(counted);
        if (lane.length === 0) this.#remove(client, lane);
        return;
      }
      turns++;
      let said: 'more' | 'last' | undefined;
      lane.takeAlike((value) => {
        said = counted(value);
        return 'last';
      }, company);
      this.#remove(client, lane);
      if (lane.length > 0) this.#lanes.set(client, lane);
      if (said === 'last') return;
      empty = said === undefined ? empty + 1 : 0;
    }
  }

  /** Takes out those that are chosen, wherever they stand; returns them. */
  drop(chosen: (value: T) => boolean): T[] {
    const dropped: T[] = [];
    for (const [client, lane] of [...this.#lanes]) {
      dropped.push(...lane.drop(chosen));
      if (lane.length === 0) this.#remove(client, lane);
    }
    this.#length -= dropped.length;
    return dropped;
  }

  #remove(client: number, lane: RequestQueue<T>): void {
    this.#lanes.delete(client);
    if (lane.length === 0) this.#spare = lane;
  }

  /** Empties the queue; returns how many were in it. */
  clear(): number {
    const length = this.#length;
    this.#lanes.clear();
    this.#length = 0;
    return length;
  }
}
