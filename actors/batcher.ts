import { Ring } from '../engine/ring.ts';
import type { WorkItem } from '../engine/wire/messages.ts';
import type { CompiledGear } from '../plans/policy/compiled-plan.ts';
import { goesFirst, isTriggered } from '../plans/policy/trigger.ts';

/** A request in a replica's queue. */
export interface Queued {
  readonly item: WorkItem;
  readonly origin: string;
  readonly enqueuedAt: number;
}

export interface Batch {
  readonly model: number;
  readonly requests: readonly Queued[];
  /** Requests found past their deadline: they are not computed. */
  readonly expired: readonly Queued[];
}

/**
 * The queues of one device, one per placed model, and the choice of the next batch. The device runs one inference at a time,
 * so its replicas' batchers are one object.
 */
export class Batcher {
  readonly #queues: readonly Ring<Queued>[];
  readonly #largestBatch: readonly number[];
  readonly #maxQueue: number;
  readonly #offset: number;
  readonly #devices: number;

  /**
   * @param largestBatch per model, in family order.
   * @param device this device's number in the plan, and how many there are: where its minimum queue lengths stand in a gear.
   * @param maxQueue requests in one queue beyond which new ones are refused.
   */
  constructor(largestBatch: readonly number[], device: { number: number; of: number }, maxQueue: number) {
    this.#queues = largestBatch.map(() => new Ring<Queued>());
    this.#largestBatch = largestBatch;
    this.#maxQueue = maxQueue;
    this.#offset = device.number;
    this.#devices = device.of;
  }

  length(model: number): number {
    return this.#queues[model].length;
  }

  /** False when the queue is full. */
  enqueue(model: number, request: Queued): boolean {
    const queue = this.#queues[model];
    if (queue.length >= this.#maxQueue) return false;
    queue.push(request);
    return true;
  }

  /** Takes the batch that runs next: of the triggered queues the one with the oldest request; undefined when none triggers. */
  next(gear: CompiledGear, now: number, drainAll = false): Batch | undefined {
    let chosen = -1;
    let chosenOldest = 0;
    for (let model = 0; model < this.#queues.length; model++) {
      const queue = this.#queues[model];
      const oldest = queue.peek()?.enqueuedAt;
      if (oldest === undefined) continue;
      const minimum = drainAll ? 1 : gear.minQueueLength[model * this.#devices + this.#offset];
      if (!isTriggered(queue.length, minimum, oldest, gear.maxWaitMs, now)) continue;
      if (chosen === -1 || goesFirst(oldest, chosenOldest)) {
        chosen = model;
        chosenOldest = oldest;
      }
    }
    if (chosen === -1) return undefined;
    const queue = this.#queues[chosen];
    const requests: Queued[] = [];
    const expired: Queued[] = [];
    while (requests.length < this.#largestBatch[chosen]) {
      const request = queue.shift();
      if (request === undefined) break;
      if (request.item.deadlineAt <= now) expired.push(request);
      else requests.push(request);
    }
    return { model: chosen, requests, expired };
  }

  /** When the first queue that has not triggered will, by waiting; undefined when all are empty. */
  wakeAt(gear: CompiledGear): number | undefined {
    let at: number | undefined;
    for (const queue of this.#queues) {
      const oldest = queue.peek()?.enqueuedAt;
      if (oldest !== undefined && (at === undefined || oldest + gear.maxWaitMs < at)) at = oldest + gear.maxWaitMs;
    }
    return at;
  }
}
