import { Ring } from '../../engine/collections/ring.ts';
import { bytesOf } from '../frontend/in-flight.ts';
import type { QueueBounds, Queued } from './batcher.ts';

/** A request that runs in a batch of its own. */
export interface Lone {
  readonly model: number;
  readonly request: Queued;
}

/** Requests of a device that must run alone, because they may have killed another device, or made a batch fail. Bounded. */
export class LoneQueue {
  readonly #queue = new Ring<Lone>();
  readonly #bounds: QueueBounds;
  /** Per model. */
  readonly #lengths: number[];
  #bytes = 0;

  constructor(models: number, bounds: QueueBounds) {
    this.#bounds = bounds;
    this.#lengths = new Array<number>(models).fill(0);
  }

  length(model: number): number {
    return this.#lengths[model];
  }

  /** Whether there is room for one more. */
  hasRoomFor({ item }: Queued): boolean {
    return this.#queue.length < this.#bounds.requests && this.#bytes + bytesOf(item) <= this.#bounds.bytes;
  }

  push(lone: Lone): void {
    this.#bytes += bytesOf(lone.request.item);
    this.#lengths[lone.model]++;
    this.#queue.push(lone);
  }

  shift(): Lone | undefined {
    const lone = this.#queue.shift();
    if (lone !== undefined) this.#took(lone);
    return lone;
  }

  #took({ model, request }: Lone): void {
    this.#bytes -= bytesOf(request.item);
    this.#lengths[model]--;
  }

  /** Removes and returns the chosen requests. */
  drop(chosen: (request: Queued) => boolean): Queued[] {
    const dropped = this.#queue.drop(({ request }) => chosen(request));
    for (const lone of dropped) this.#took(lone);
    return dropped.map(({ request }) => request);
  }

  /** Drops all; returns how many there were. */
  clear(): number {
    let count = 0;
    while (this.shift() !== undefined) count++;
    return count;
  }
}
