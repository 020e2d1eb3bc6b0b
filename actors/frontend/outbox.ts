import type { Bus } from '../../engine/bus/bus.ts';
import type { Clock } from '../../engine/clock.ts';
import type { TensorSpec } from '../../engine/tensor/tensor.ts';
import { encodeWorkFrame, FRAME_RESERVE_BYTES } from '../../plans/protocol/codec.ts';
import type { WorkFrame, WorkItem } from '../../plans/protocol/messages.ts';

/**
 * Maximum estimated size of a request (see `estimatedBytes`) that fits into a message. Numbers that were short as text, or scores of
 * many classes, can make it larger than any body a client could send.
 */
export function largestItemBytes(maxPayloadBytes: number): number {
  return maxPayloadBytes - FRAME_RESERVE_BYTES;
}

interface PendingFrame {
  readonly subject: string;
  readonly origin: string;
  readonly items: WorkItem[];
  bytes: number;
}

/**
 * Collects the requests for one replica while a chunk of messages, or a batch, is processed, and sends them as one frame, well below the
 * server's maximum payload. A frame has one origin frontend, while replicas forward for many.
 */
export class Outbox {
  readonly #bus: Pick<Bus, 'maxPayloadBytes' | 'publish' | 'handOver'>;
  readonly #clock: Clock;
  readonly #specs: readonly TensorSpec[];
  /** By subject and origin. */
  readonly #pending = new Map<string, Map<string, PendingFrame>>();
  readonly #maxBytes: number;
  readonly #refuse: (origin: string, item: WorkItem) => void;
  #scheduled = false;

  /** @param refuse called for a request that does not fit into a message, after `add` or `flush` has returned. */
  constructor(
    bus: Pick<Bus, 'maxPayloadBytes' | 'publish' | 'handOver'>,
    clock: Clock,
    specs: readonly TensorSpec[],
    refuse: (origin: string, item: WorkItem) => void,
  ) {
    this.#bus = bus;
    this.#clock = clock;
    this.#specs = specs;
    this.#maxBytes = bus.maxPayloadBytes / 2;
    this.#refuse = refuse;
  }

  /** @param bytes of the item, as estimated; at most `largestItemBytes`. */
  add(subject: string, origin: string, item: WorkItem, bytes: number): void {
    let ofSubject = this.#pending.get(subject);
    if (ofSubject === undefined) {
      ofSubject = new Map();
      this.#pending.set(subject, ofSubject);
    }
    let frame = ofSubject.get(origin);
    if (frame !== undefined && frame.bytes + bytes > this.#maxBytes) {
      this.#send(frame);
      frame = undefined;
    }
    if (frame === undefined) {
      frame = { subject, origin, items: [], bytes: 0 };
      ofSubject.set(origin, frame);
    }
    frame.items.push(item);
    frame.bytes += bytes;
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#clock.soon(() => this.flush());
    }
  }

  flush(): void {
    this.#scheduled = false;
    for (const ofSubject of this.#pending.values()) for (const frame of ofSubject.values()) this.#send(frame);
    this.#pending.clear();
  }

  #send({ subject, origin, items }: Omit<PendingFrame, 'bytes'>): void {
    const frame: WorkFrame = { origin, items };
    const encode = (): Uint8Array => encodeWorkFrame(frame, this.#specs, this.#clock.now());
    if (this.#bus.handOver(subject, frame, encode)) return;
    const data = encode();
    if (data.length <= this.#bus.maxPayloadBytes) this.#bus.publish(subject, data);
    // The estimates rule this out, but the server we reconnected to may have a lower limit.
    else if (items.length === 1) this.#clock.soon(() => this.#refuse(origin, items[0]));
    else {
      const middle = items.length >> 1;
      for (const half of [items.slice(0, middle), items.slice(middle)]) this.#send({ subject, origin, items: half });
    }
  }
}
