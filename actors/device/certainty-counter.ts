import { NO_NUMBER } from '../../plans/domain/cascade/certainty.ts';
import { CERTAINTY_BINS, certaintyBin } from '../../plans/drift/certainty-bins.ts';
import type { CompiledGear } from '../../plans/policy/compiled-plan.ts';
import type { CertaintyCounts } from '../../plans/protocol/control-messages.ts';
import type { Opinion } from '../../plans/protocol/messages.ts';

/**
 * Counts the certainties of a device's models, per gear, for the drift monitor. It only counts samples that followed the cascade of the
 * gear in force; others were routed by another gear, and say nothing about this one.
 */
export class CertaintyCounter {
  readonly #models: readonly string[];
  #counts = new Map<CompiledGear, { revision: number; byModel: Map<number, number[]> }>();

  constructor(models: readonly string[]) {
    this.#models = models;
  }

  /**
   * Does not count NaN.
   * @param edges of the model's bins (see certaintyEdges); empty: the model is not counted.
   * @param before the opinion of the previous model; undefined at the first model.
   */
  count(
    revision: number,
    gear: CompiledGear,
    model: number,
    edges: ArrayLike<number>,
    before: Opinion | undefined,
    certainty: number,
  ): void {
    if (edges.length === 0 || certainty === NO_NUMBER || !this.#cameBy(gear, model, before)) return;
    let of = this.#counts.get(gear);
    if (of === undefined) {
      of = { revision, byModel: new Map() };
      this.#counts.set(gear, of);
    }
    let bins = of.byModel.get(model);
    if (bins === undefined) {
      bins = new Array<number>(CERTAINTY_BINS).fill(0);
      of.byModel.set(model, bins);
    }
    bins[certaintyBin(edges, certainty)]++;
  }

  /** The counts since the last call. */
  take(): CertaintyCounts[] {
    const taken = [...this.#counts].flatMap(([{ index }, { revision, byModel }]) =>
      [...byModel].map(([model, counts]) => ({ revision, gear: index, model: this.#models[model], counts })),
    );
    this.#counts = new Map();
    return taken;
  }

  #cameBy(gear: CompiledGear, model: number, before: Opinion | undefined): boolean {
    const stage = gear.stageOf[model];
    if (stage <= 0) return stage === 0 && before === undefined;
    const previous = gear.cascade[stage - 1];
    return before !== undefined && before.model === this.#models[previous] && before.certainty < gear.threshold[previous];
  }
}
