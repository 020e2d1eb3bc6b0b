import type { Channels } from '../../engine/actor/channel.ts';
import type { Clock } from '../../engine/clock.ts';
import { DONE_DELAY_MS } from '../../plans/policy/admission.ts';
import { DONE } from '../../plans/protocol/channels.ts';
import type { DoneFrame } from '../../plans/protocol/messages.ts';

/** The next note to an origin frontend. */
interface Note {
  readonly finished: number[];
  readonly moved: Map<string, number[]>;
  dropped: number;
}

/** Reports to the frontends what became of their requests in flight at a device. */
export class DoneNotes {
  readonly #channels: Channels;
  readonly #clock: Clock;
  readonly #device: string;
  readonly #notes = new Map<string, Note>();
  #scheduled = false;

  constructor(channels: Channels, clock: Clock, device: string) {
    this.#channels = channels;
    this.#clock = clock;
    this.#device = device;
  }

  /** @param computed false if it was refused, expired or was cancelled before it was computed. */
  ended({ origin, item }: { readonly origin: string; readonly item: { readonly seq: number } }, computed: boolean): void {
    const note = this.#noteFor(origin);
    note.finished.push(item.seq);
    if (!computed) note.dropped++;
  }

  /** Moved on to another device. */
  moved(origin: string, seq: number, device: string): void {
    const { moved } = this.#noteFor(origin);
    const seqs = moved.get(device);
    if (seqs === undefined) moved.set(device, [seq]);
    else seqs.push(seq);
  }

  flush(): void {
    this.#scheduled = false;
    for (const [origin, { finished, moved, dropped }] of this.#notes) {
      const frame: DoneFrame = {
        device: this.#device,
        finished,
        dropped,
        moved: [...moved].map(([device, seqs]) => ({ device, seqs })),
      };
      this.#channels.send(DONE, frame, { frontend: origin });
    }
    this.#notes.clear();
  }

  #noteFor(origin: string): Note {
    let note = this.#notes.get(origin);
    if (note === undefined) {
      note = { finished: [], moved: new Map(), dropped: 0 };
      this.#notes.set(origin, note);
    }
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#clock.after(DONE_DELAY_MS, () => this.flush());
    }
    return note;
  }
}
