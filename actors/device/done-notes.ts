import type { Bus } from '../../engine/bus/bus.ts';
import type { Clock } from '../../engine/clock.ts';
import { DONE_DELAY_MS } from '../../plans/policy/admission.ts';
import { encode } from '../../plans/protocol/codec.ts';
import type { DoneFrame } from '../../plans/protocol/messages.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';

/** What an origin frontend is told next. */
interface Note {
  readonly finished: number[];
  readonly moved: Map<string, number[]>;
  dropped: number;
}

/** Tells the frontends what became of the requests that they keep in flight at a device. */
export class DoneNotes {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #subjects: Subjects;
  readonly #device: string;
  readonly #notes = new Map<string, Note>();
  #scheduled = false;

  constructor(bus: Bus, clock: Clock, subjects: Subjects, device: string) {
    this.#bus = bus;
    this.#clock = clock;
    this.#subjects = subjects;
    this.#device = device;
  }

  finished(origin: string, seq: number): void {
    this.#noteFor(origin).finished.push(seq);
  }

  /** Finished, but without having been computed. */
  dropped(origin: string, seq: number): void {
    const note = this.#noteFor(origin);
    note.finished.push(seq);
    note.dropped++;
  }

  /** Sent on to another device. */
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
      this.#bus.publish(this.#subjects.done(origin), encode(frame));
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
