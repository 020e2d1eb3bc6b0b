import { LOOK_AHEAD } from '../../plans/policy/batch-key.ts';
import { RequestQueue } from './request-queue.ts';

interface Waiting {
  readonly batchKey?: string | undefined;
  readonly enqueuedAt: number;
  readonly item: { readonly client?: number | undefined };
}

/**
 * A queue in which clients take turns, one request each, so that nobody waits behind everything another client has sent. Each gets an
 * equal share of the device's capacity, and the others may use what one leaves unused. With a single client, it is an ordinary queue.
 */
export class FairQueue<T extends Waiting> {
  /** By client; the one whose turn it is comes first. */
  readonly #lanes = new Map<number, RequestQueue<T>>();
  /** An empty one, for reuse. */
  #spare: RequestQueue<T> | undefined;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The value that is served next. */
  peek(): T | undefined {
    for (const lane of this.#lanes.values()) return lane.peek();
    return undefined;
  }

  /** When the longest-waiting value was enqueued; undefined when the queue is empty. */
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
   * Takes the value that is served next and others that may share its batch, the oldest of each client in turn, until `take` returns that
   * it was the last.
   */
  takeCompatible(take: (value: T) => 'more' | 'last'): void {
    const counted = (value: T): 'more' | 'last' => {
      this.#length--;
      return take(value);
    };
    const batchKey = this.peek()?.batchKey;
    // Number of consecutive turns in which a client had nothing to contribute.
    let empty = 0;
    let turns = 0;
    while (this.#lanes.size > 0 && empty < Math.min(this.#lanes.size, LOOK_AHEAD)) {
      const [[client, lane]] = this.#lanes;
      if (this.#lanes.size === 1 && turns === 0) {
        lane.takeCompatible(counted);
        if (lane.length === 0) this.#remove(client, lane);
        return;
      }
      turns++;
      let outcome: 'more' | 'last' | undefined;
      lane.takeCompatible((value) => {
        outcome = counted(value);
        return 'last';
      }, batchKey);
      this.#remove(client, lane);
      if (lane.length > 0) this.#lanes.set(client, lane);
      if (outcome === 'last') return;
      empty = outcome === undefined ? empty + 1 : 0;
    }
  }

  /** Removes and returns the chosen values, wherever they are. */
  drop(chosen: (value: T) => boolean): T[] {
    const dropped: T[] = [];
    for (const [client, lane] of [...this.#lanes]) {
      for (const value of lane.drop(chosen)) dropped.push(value);
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
