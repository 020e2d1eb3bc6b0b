import { firstValueFrom } from 'rxjs';
import { createOnnxBackend } from '../../engine/backend/onnx-backend.ts';
import { messageOf } from '../../engine/errors.ts';
import type { TensorSpec } from '../../engine/tensor/tensor.ts';
import type { Samples } from '../data/read-samples.ts';
import type { ScoreKind } from '../domain/deployment/model-entry.ts';
import type { FoundModel } from './find-models.ts';

/** Few samples suffice, as they only show what kind of numbers a model outputs. */
const SAMPLES = 32;
const MAX_MS = 2_000;
const ROUNDING = 1e-3;

/** What a model output for some samples, or why it failed. */
export type Trial = { readonly type: 'scores'; readonly kind: ScoreKind } | { readonly type: 'failed'; readonly reason: string };

/**
 * Runs each model on some samples, one at a time, to see whether its scores are probabilities.
 * @param outputs that hold the scores, per model.
 */
export async function tryModels(
  models: readonly FoundModel[],
  outputs: readonly (string | undefined)[],
  specs: readonly TensorSpec[],
  { columns }: Samples,
): Promise<readonly Trial[]> {
  const backend = createOnnxBackend({ kind: 'cpu', threads: 1, inputs: {}, specs });
  const count = columns[0].count;
  const step = Math.max(1, Math.floor(count / SAMPLES));
  try {
    const trials: Trial[] = [];
    for (const [m, model] of models.entries()) trials.push(await tryOne(model, outputs[m]));
    return trials;
  } finally {
    await backend.close();
  }

  async function tryOne({ name, file, renamed }: FoundModel, output: string | undefined): Promise<Trial> {
    try {
      await firstValueFrom(backend.load({ name, file, output, inputs: renamed }));
      let kind: ScoreKind = 'probabilities';
      const until = performance.now() + MAX_MS;
      for (let i = 0; i < Math.min(SAMPLES, count) && performance.now() < until; i++) {
        const sample = columns.map((column) => column.tensor(i * step));
        const { scores } = await firstValueFrom(backend.run(name, [sample]));
        if (!areProbabilities(scores)) kind = 'logits';
      }
      await firstValueFrom(backend.unload(name));
      return { type: 'scores', kind };
    } catch (error) {
      return { type: 'failed', reason: messageOf(error) };
    }
  }
}

/** Whether all scores are from 0 to 1, as after softmax or sigmoid; NaN is ignored. The rest of a forest's votes may be just below 0. */
function areProbabilities(scores: Float32Array): boolean {
  return scores.every((score) => Number.isNaN(score) || (score >= -ROUNDING && score <= 1 + ROUNDING));
}
