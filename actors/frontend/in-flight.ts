import type { Span } from '../../engine/tracing/tracing.ts';
import type { Cancellation } from '../../plans/protocol/control-messages.ts';
import type { WorkItem } from '../../plans/protocol/messages.ts';
import { TokenIndex } from './token-index.ts';

export interface InFlight {
  item: WorkItem;
  /** With which its client can cancel it. */
  readonly token: string | undefined;
  /** Cancelled by its client: kept until its device has released it, but never sent again. */
  cancelled: boolean;
  /** Ticket for the admission when the request has ended. */
  ticket: number;
  /** The device that has the request now, as far as its frontend knows. */
  device: string;
  /** Increases with each request that is sent, or moves on, to a device. */
  sentNumber: number;
  /** Devices that died without a report while they had it. */
  deaths: number;
  /** From its arrival to its end; undefined where nothing is traced. */
  readonly span?: Span | undefined;
}

/**
 * The requests that a frontend has accepted and that have not finished, with their samples, so that they can be sent again when their
 * device is lost. Bounded in number and in bytes.
 */
export class InFlightTable {
  readonly #entries = new Map<number, InFlight>();
  readonly #byToken = new TokenIndex<InFlight>();
  readonly #maxRequests: number;
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(limits: { maxRequests: number; maxBytes: number }) {
    this.#maxRequests = limits.maxRequests;
    this.#maxBytes = limits.maxBytes;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Used share of the bounds; from 1, not even the smallest request fits. */
  get fill(): number {
    return Math.max(this.#entries.size / this.#maxRequests, this.#bytes / this.#maxBytes);
  }

  /** False when one more does not fit. */
  add(entry: InFlight): boolean {
    const bytes = bytesOf(entry.item);
    if (this.#entries.size >= this.#maxRequests || this.#bytes + bytes > this.#maxBytes) return false;
    this.#bytes += bytes;
    this.#entries.set(entry.item.seq, entry);
    this.#byToken.add(entry);
    return true;
  }

  get(seq: number): InFlight | undefined {
    return this.#entries.get(seq);
  }

  /** Ends a request; undefined when it had already ended. */
  remove(seq: number): InFlight | undefined {
    const entry = this.#entries.get(seq);
    if (entry === undefined) return undefined;
    this.#bytes -= bytesOf(entry.item);
    this.#entries.delete(seq);
    this.#byToken.remove(entry);
    return entry;
  }

  /** Marks and returns the requests that a client has cancelled. */
  cancel(cancellation: Cancellation): InFlight[] {
    const entries = this.#byToken.take(cancellation);
    for (const entry of entries) entry.cancelled = true;
    return entries;
  }

  on(device: string): InFlight[] {
    return [...this.#entries.values()].filter((entry) => entry.device === device);
  }

  expired(before: number): InFlight[] {
    const late: InFlight[] = [];
    for (const entry of this.#entries.values()) if (entry.item.deadlineAt < before) late.push(entry);
    return late;
  }
}

/** Bytes of a request's tensors, for the bound on memory. */
export function bytesOf(item: WorkItem): number {
  let bytes = 0;
  for (const tensor of item.sample) bytes += tensor.data.length;
  return bytes;
}
