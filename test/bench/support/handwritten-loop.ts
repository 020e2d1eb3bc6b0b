/**
 * The baseline to beat: what an engineer writes by hand in an afternoon. Fastify and ONNX Runtime in one process, a fixed cascade, and
 * batches of whatever is waiting. `POST /` takes the 784 bytes of an image and returns `{ label, certainty, model }`.
 *
 * Usage: node --import tsx test/bench/support/handwritten-loop.ts [--port N] [--batch N] [--cascade MODEL:THRESHOLD,...,MODEL]
 * Prints its address when it is ready.
 */
import { parseArgs } from 'node:util';
import Fastify from 'fastify';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const PIXELS = 784;
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    batch: { type: 'string', default: '64' },
    cascade: { type: 'string', default: 'cnn-small:0.9,resnet' },
    models: { type: 'string', default: 'conf/fashion/models' },
  },
});
const limit = Number(values.batch);

interface Waiting {
  readonly image: Uint8Array;
  readonly answer: (answer: { label: number; certainty: number; model: string }) => void;
}

const stages = await Promise.all(
  values.cascade.split(',').map(async (part) => {
    const [model, threshold = '0'] = part.split(':');
    const session = await InferenceSession.create(`${values.models}/${model}.onnx`, {
      executionMode: 'sequential',
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      graphOptimizationLevel: 'all',
    });
    return { model, threshold: Number(threshold), session, waiting: [] as Waiting[] };
  }),
);

let running = false;
/** Runs batches until nothing is waiting, the largest model first, so that the oldest requests finish first. */
async function run(): Promise<void> {
  for (;;) {
    const s = stages.findLastIndex(({ waiting }) => waiting.length > 0);
    if (s === -1) break;
    const { model, threshold, session, waiting } = stages[s];
    const batch = waiting.splice(0, limit);
    const pixels = new Uint8Array(batch.length * PIXELS);
    for (let i = 0; i < batch.length; i++) pixels.set(batch[i].image, i * PIXELS);
    const [input] = session.inputNames;
    const [output] = session.outputNames;
    const scores = (await session.run({ [input]: new Tensor('uint8', pixels, [batch.length, 1, 28, 28]) }))[output];
    const [, classes] = scores.dims;
    for (let i = 0; i < batch.length; i++) {
      const { label, margin } = decide((scores.data as Float32Array).subarray(i * classes, (i + 1) * classes));
      if (margin >= threshold || s === stages.length - 1) batch[i].answer({ label, certainty: margin, model });
      else stages[s + 1].waiting.push(batch[i]);
    }
    // Let the event loop send answers and receive new requests.
    await new Promise(setImmediate);
  }
  running = false;
}

/** The most likely class, and the margin of its probability (softmax) over the second. */
function decide(scores: Float32Array): { label: number; margin: number } {
  let [label, second, sum] = [0, -Infinity, 0];
  for (let c = 1; c < scores.length; c++) {
    if (scores[c] > scores[label]) [second, label] = [scores[label], c];
    else if (scores[c] > second) second = scores[c];
  }
  for (const score of scores) sum += Math.exp(score - scores[label]);
  return { label, margin: (1 - Math.exp(second - scores[label])) / sum };
}

const app = Fastify({ logger: false });
app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
app.post('/', ({ body }) => {
  return new Promise((answer) => {
    stages[0].waiting.push({ image: body as Buffer, answer });
    if (running) return;
    running = true;
    // Requests that arrive in the same turn of the event loop form one batch.
    setImmediate(run);
  });
});
console.log(await app.listen({ port: Number(values.port), host: '127.0.0.1' }));
