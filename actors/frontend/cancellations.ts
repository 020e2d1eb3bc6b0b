import type { Channels } from '../../engine/actor/channel.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import type { Clock } from '../../engine/clock.ts';
import { CANCEL, DEVICE_CANCEL } from '../../plans/protocol/channels.ts';
import type { CancelFrame, Cancellation } from '../../plans/protocol/control-messages.ts';

/** Size of a list entry, in addition to its token and ids. */
const ENTRY_BYTES = 32;
/** Numbers per frame, far below any server's maximum payload. */
const FRAME_MAX_SEQS = 4_096;

/**
 * Forwards cancellations. A client's cancellation reaches one of the frontends, which forwards it to all; the one that holds the requests
 * tells their devices. Everything within one event-loop turn is combined.
 */
export class Cancellations {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #channels: Channels;
  readonly #frontend: string;
  #toFrontends: Cancellation[] = [];
  #bytes = 0;
  readonly #toDevices = new Map<string, number[]>();
  #scheduled = false;

  constructor(bus: Bus, clock: Clock, channels: Channels, frontend: string) {
    this.#bus = bus;
    this.#clock = clock;
    this.#channels = channels;
    this.#frontend = frontend;
  }

  /** @param bytes size of the client's message, which bounds ours. */
  sendToFrontends(cancellation: Cancellation, bytes: number): void {
    if (this.#bytes + bytes > this.#bus.maxPayloadBytes / 2) this.#flushToFrontends();
    this.#toFrontends.push(cancellation);
    this.#bytes += bytes + cancellation.token.length + ENTRY_BYTES;
    this.#schedule();
  }

  sendToDevice(device: string, seq: number): void {
    const seqs = this.#toDevices.get(device);
    if (seqs === undefined) this.#toDevices.set(device, [seq]);
    else seqs.push(seq);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.soon(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    this.#flushToFrontends();
    for (const [device, all] of this.#toDevices) {
      for (let from = 0; from < all.length; from += FRAME_MAX_SEQS) {
        const frame: CancelFrame = { origin: this.#frontend, seqs: all.slice(from, from + FRAME_MAX_SEQS) };
        this.#channels.send(DEVICE_CANCEL, frame, { device });
      }
    }
    this.#toDevices.clear();
  }

  #flushToFrontends(): void {
    if (this.#toFrontends.length > 0) this.#channels.send(CANCEL, this.#toFrontends);
    this.#toFrontends = [];
    this.#bytes = 0;
  }
}
