import { readFileSync } from 'node:fs';
import ort from 'onnxruntime-node';
import { createRandom } from '../../engine/random.ts';
import { argmax } from '../../plans/domain/cascade/certainty.ts';

const PIXELS = 28 * 28;

/** How pictures may have changed since training. */
export type Shift = 'none' | 'noise' | 'inverted';

/** The last pictures of the example's file after a shift, as raw bytes; the same ones each time. */
export function shiftedImages(shift: Shift, count: number, noise = 60): Uint8Array[] {
  const data = readFileSync('conf/fashion/data/images.npy');
  const random = createRandom('noise');
  return Array.from({ length: count }, (_, i) => {
    const image = Uint8Array.from(data.subarray(data.length - (i + 1) * PIXELS, data.length - i * PIXELS));
    if (shift === 'inverted') return image.map((pixel) => 255 - pixel);
    if (shift === 'noise') return image.map((pixel) => Math.max(0, Math.min(255, Math.round(pixel + noise * random.normal()))));
    return image;
  });
}

/** The true labels of these pictures. */
export function trueLabels(count: number): number[] {
  const data = readFileSync('conf/fashion/data/labels.npy');
  return Array.from({ length: count }, (_, i) => data[data.length - (i + 1)]);
}

/** The labels that a model of the example gives pictures, without serving it. */
export async function labelsBy(model: string, images: readonly Uint8Array[]): Promise<number[]> {
  const session = await ort.InferenceSession.create(`conf/fashion/models/${model}.onnx`, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  const labels: number[] = [];
  for (const image of images) {
    const output = await session.run({ [session.inputNames[0]]: new ort.Tensor('uint8', image, [1, 1, 28, 28]) });
    const scores = output[session.outputNames[0]].data as Float32Array;
    labels.push(argmax(scores, 0, scores.length));
  }
  await session.release();
  return labels;
}
