import { CERTAINTY_BINS } from '../../plans/drift/certainty-bins.ts';
import type { AuditCounts } from '../../plans/protocol/control-messages.ts';

interface Counts extends AuditCounts {
  answered: number;
  drawn: number;
  readonly agreed: number[];
  readonly differed: number[];
}

/** Counts a device's audits between two heartbeats. Models are numbers, because a string key for each answer would cost throughput. */
export class AuditCounter {
  readonly #models: readonly string[];
  #revision = -1;
  /** Counts for the current revision, at index `gear * models + model`. */
  #slots: (Counts | undefined)[] = [];
  #taken: Counts[] = [];

  constructor(models: readonly string[]) {
    this.#models = models;
  }

  /** A model other than the most accurate one answered. @param drawn whether its answer is to be audited. */
  answered(revision: number, gear: number, model: number, drawn: boolean): void {
    const counts = this.#of(revision, gear, model);
    counts.answered++;
    if (drawn) counts.drawn++;
  }

  /**
   * The most accurate model answered, so no audit is needed.
   * @param agrees whether the previous model of the cascade gave the same answer; true if there is none.
   * @param bin of its certainty.
   */
  answeredByReference(revision: number, gear: number, model: number, agrees: boolean, bin: number): void {
    const counts = this.#of(revision, gear, model);
    counts.answered++;
    (agrees ? counts.agreed : counts.differed)[bin]++;
  }

  /** The most accurate model was asked about an answer. @param bin of its certainty. */
  compared(revision: number, gear: number, model: number, agrees: boolean, bin: number): void {
    const counts = this.#of(revision, gear, model);
    (agrees ? counts.agreed : counts.differed)[bin]++;
  }

  /** What was counted since the last call. */
  take(): AuditCounts[] {
    const taken = this.#taken;
    this.#taken = [];
    this.#slots = [];
    return taken;
  }

  #of(revision: number, gear: number, model: number): Counts {
    if (revision !== this.#revision) {
      this.#revision = revision;
      this.#slots = [];
    }
    const slot = gear * this.#models.length + model;
    let counts = this.#slots[slot];
    if (counts === undefined) {
      const zeros = (): number[] => new Array<number>(CERTAINTY_BINS).fill(0);
      const name = this.#models[model];
      counts = { revision, gear, model: name, answered: 0, drawn: 0, agreed: zeros(), differed: zeros() };
      this.#slots[slot] = counts;
      this.#taken.push(counts);
    }
    return counts;
  }
}
