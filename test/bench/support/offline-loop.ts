/**
 * The best possible throughput of a model: batches of one size, one after the other, and nothing else. Prints the best batch size and
 * its samples per second as JSON.
 *
 * Usage: node --import tsx test/bench/support/offline-loop.ts MODEL.onnx SECONDS
 */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { readSamples } from './generator/samples.ts';

const BATCHES = [1, 2, 4, 8, 16, 32, 64, 128];
const [file, secondsText] = process.argv.slice(2);
const images = readSamples('conf/fashion/data/images.npy');
const session = await InferenceSession.create(file, {
  executionMode: 'sequential',
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  graphOptimizationLevel: 'all',
});
const [input] = session.inputNames;

async function samplesPerSecond(batch: number, seconds: number): Promise<number> {
  const size = images.at(0).length;
  let samples = 0;
  const startedAt = performance.now();
  while (performance.now() - startedAt < 1_000 * seconds) {
    const pixels = new Uint8Array(batch * size);
    for (let i = 0; i < batch; i++) pixels.set(images.at((samples + i) % images.count), i * size);
    await session.run({ [input]: new Tensor('uint8', pixels, [batch, 1, 28, 28]) });
    samples += batch;
  }
  return (1_000 * samples) / (performance.now() - startedAt);
}

await samplesPerSecond(16, 1);
const rates: { batch: number; qps: number }[] = [];
for (const batch of BATCHES) rates.push({ batch, qps: await samplesPerSecond(batch, Number(secondsText) / BATCHES.length) });
const best = rates.reduce((a, b) => (b.qps > a.qps ? b : a));
// Measured again, because the best of many short runs was lucky.
console.log(JSON.stringify({ batch: best.batch, qps: await samplesPerSecond(best.batch, Number(secondsText) / 2), rates }));
