import { CERTAINTY_BINS } from '../../plans/drift/certainty-bins.ts';
import type { AuditCounts, AuditItem } from '../../plans/protocol/messages.ts';

interface Counts extends AuditCounts {
  answered: number;
  drawn: number;
  readonly agreed: number[];
  readonly differed: number[];
}

/** What one device counts of audits until its next heartbeat. */
export class AuditCounter {
  #counts = new Map<string, Counts>();

  /** An answer was given, by a model that is not the most accurate one. @param drawn whether it is to be audited. */
  answered(revision: number, gear: number, model: string, drawn: boolean): void {
    const counts = this.#of(revision, gear, model);
    counts.answered++;
    if (drawn) counts.drawn++;
  }

  /**
   * The most accurate model itself answered, and needs no audit.
   * @param agrees whether the model before it in the cascade was of the same opinion; true where there is none.
   * @param bin of its certainty.
   */
  answeredByReference(revision: number, gear: number, model: string, agrees: boolean, bin: number): void {
    const counts = this.#of(revision, gear, model);
    counts.answered++;
    (agrees ? counts.agreed : counts.differed)[bin]++;
  }

  /** Whether the most accurate model says the same. @param bin of its certainty. */
  compared({ opinion: { revision, gear, model } }: AuditItem, agrees: boolean, bin: number): void {
    const counts = this.#of(revision, gear, model);
    (agrees ? counts.agreed : counts.differed)[bin]++;
  }

  /** What was counted since the last call. */
  take(): AuditCounts[] {
    const taken = [...this.#counts.values()];
    this.#counts = new Map();
    return taken;
  }

  #of(revision: number, gear: number, model: string): Counts {
    const key = `${revision} ${gear} ${model}`;
    let counts = this.#counts.get(key);
    if (counts === undefined) {
      const zeros = (): number[] => new Array<number>(CERTAINTY_BINS).fill(0);
      counts = { revision, gear, model, answered: 0, drawn: 0, agreed: zeros(), differed: zeros() };
      this.#counts.set(key, counts);
    }
    return counts;
  }
}
