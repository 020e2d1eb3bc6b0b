import { mayFill } from '../../plans/policy/admission.ts';
import type { CompiledGear } from '../../plans/policy/compiled-plan.ts';
import { endsTooLate, queueMs } from '../../plans/policy/deadline.ts';
import { goesFirst, isTriggered } from '../../plans/policy/trigger.ts';
import type { WorkItem } from '../../plans/protocol/messages.ts';
import { bytesOf } from '../frontend/in-flight.ts';
import { FairQueue } from './fair-queue.ts';

/** A request in a replica's queue. */
export interface Queued {
  readonly item: WorkItem;
  readonly origin: string;
  readonly enqueuedAt: number;
  /** For samples that differ in size: see `batchKeyRule`. */
  readonly batchKey?: string | undefined;
  /** For samples that differ in size: see `sampleSize`. */
  readonly size?: number | undefined;
}

export interface Batch {
  readonly model: number;
  readonly requests: readonly Queued[];
  /** Requests whose answers would be too late, so they are not computed. */
  readonly expired: readonly Queued[];
}

/**
 * Planned time of a batch of a model.
 * @param sampleSize of its largest sample; default: typical.
 */
export type BatchMs = (model: number, batch: number, sampleSize?: number) => number;

/** Limits of a device's queues, beyond which new requests are refused. */
export interface QueueBounds {
  /** Requests in one replica's queue. */
  readonly requests: number;
  /** Bytes of the tensors in all queues. */
  readonly bytes: number;
}

/**
 * The queues of one device, one per placed model, and the choice of the next batch. The device runs one inference at a time,
 * so its replicas' batchers are one object.
 */
export class Batcher {
  readonly #queues: readonly FairQueue<Queued>[];
  readonly #largestBatch: (model: number) => number;
  readonly #bounds: QueueBounds;
  readonly #batchMs: BatchMs;
  /** Per model: typical time of a batch, by its size. */
  readonly #typicalMs: readonly ((size: number) => number)[];
  readonly #offset: number;
  readonly #devices: number;
  #bytes = 0;

  /**
   * @param models number of models.
   * @param largestBatch of a model, under the plan in force.
   * @param device this device's number in the plan, and the number of devices; they locate its minimum queue lengths in a gear.
   */
  constructor(
    models: number,
    largestBatch: (model: number) => number,
    device: { number: number; of: number },
    bounds: QueueBounds,
    batchMs: BatchMs,
  ) {
    this.#queues = Array.from({ length: models }, () => new FairQueue<Queued>());
    this.#largestBatch = largestBatch;
    this.#bounds = bounds;
    this.#batchMs = batchMs;
    this.#typicalMs = this.#queues.map((_, model) => (size) => batchMs(model, size));
    this.#offset = device.number;
    this.#devices = device.of;
  }

  length(model: number): number {
    return this.#queues[model].length;
  }

  /** Planned time of all queued work, in batches of the largest size. */
  backlogMs(): number {
    let ms = 0;
    for (let model = 0; model < this.#queues.length; model++)
      ms += queueMs(this.#queues[model].length, this.#largestBatch(model), this.#typicalMs[model]);
    return ms;
  }

  /** False when the queue is full, or this client has its share of a nearly full queue. */
  enqueue(model: number, request: Queued): boolean {
    const queue = this.#queues[model];
    const bytes = bytesOf(request.item);
    const fill = Math.max(queue.length / this.#bounds.requests, this.#bytes / this.#bounds.bytes);
    if (!mayFill(fill, queue.lengthOf(request.item.client), queue.length)) return false;
    if (this.#bytes + bytes > this.#bounds.bytes) return false;
    this.#bytes += bytes;
    queue.push(request);
    return true;
  }

  /** Removes and returns the chosen requests. */
  drop(chosen: (request: Queued) => boolean): Queued[] {
    const dropped = this.#queues.flatMap((queue) => queue.drop(chosen));
    for (const { item } of dropped) this.#bytes -= bytesOf(item);
    return dropped;
  }

  /** Empties the queues; returns how many requests were in them. */
  clear(): number {
    this.#bytes = 0;
    return this.#queues.reduce((count, queue) => count + queue.clear(), 0);
  }

  /**
   * Takes the next batch: from the triggered queue with the oldest request, requests that may share a batch, its clients taking turns.
   * Undefined when no queue triggers.
   * @param slowdown how much longer than planned the batch takes, which decides which requests are too late.
   */
  next(gear: CompiledGear, now: number, drainAll = false, slowdown = 1): Batch | undefined {
    let chosen = -1;
    let chosenOldest = 0;
    for (let model = 0; model < this.#queues.length; model++) {
      const queue = this.#queues[model];
      const oldest = queue.oldestAt();
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
    const largest = this.#largestBatch(chosen);
    const endsAt = now + slowdown * this.#batchMs(chosen, Math.min(queue.length, largest), queue.peek()?.size);
    queue.takeCompatible((request) => {
      this.#bytes -= bytesOf(request.item);
      if (endsTooLate(endsAt, request.item.deadlineAt)) expired.push(request);
      else requests.push(request);
      return requests.length < largest ? 'more' : 'last';
    });
    return { model: chosen, requests, expired };
  }

  /** When the next queue will trigger because of its waiting time; undefined when all are empty. */
  wakeAt(gear: CompiledGear): number | undefined {
    let at: number | undefined;
    for (const queue of this.#queues) {
      const oldest = queue.oldestAt();
      if (oldest !== undefined && (at === undefined || oldest + gear.maxWaitMs < at)) at = oldest + gear.maxWaitMs;
    }
    return at;
  }
}
