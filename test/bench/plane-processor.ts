/**
 * Processor time per request in the actors alone: frontend and device share this process and an in-process bus, with a backend that
 * takes no time; there is no NATS client, socket or inference. To compare two commits on a shared machine, run the bench on each in
 * turn several times and take medians.
 *
 * Usage: npm run bench:plane-processor [-- requests]
 */
import { pack } from 'msgpackr';
import { EMPTY, Observable, of } from 'rxjs';
import type { Backend, BatchOutput } from '../../engine/backend/backend.ts';
import { type Clock, realClock } from '../../engine/clock.ts';
import { createLocalBus } from '../doubles/local-bus.ts';
import { startPlane } from '../support/plane.ts';
import { planOf } from '../support/plans.ts';
import { writeResult } from './machine.ts';
import { processorSeconds } from './processor-time.ts';

const REQUESTS = Number(process.argv[2] ?? 100_000);
const IN_FLIGHT = 256;
const CLASSES = 10;
const LARGEST_BATCH = 64;
const REPLY = '_INBOX.bench';

/** Delivers everything published in the meantime at once, like a connection that reads a chunk of many messages. */
let waiting: (() => void)[] = [];
const chunks: Clock = {
  ...realClock,
  after(delayMs, deliver) {
    if (delayMs > 0) return realClock.after(delayMs, deliver);
    if (waiting.push(deliver) === 1) {
      setImmediate(() => {
        const chunk = waiting;
        waiting = [];
        for (const each of chunk) each();
      });
    }
    return () => {
      waiting = waiting.filter((each) => each !== deliver);
    };
  },
};
const bus = createLocalBus(chunks);
const scores = Float32Array.from({ length: LARGEST_BATCH * CLASSES }, (_, i) => (i % CLASSES === 3 ? 0.91 : 0.01));
const backend: Backend = {
  emulated: true,
  load: () => of({ inputs: [], outputs: [] }),
  unload: () => EMPTY,
  close: async () => undefined,
  run: (_, batch) =>
    new Observable<BatchOutput>((subscriber) =>
      realClock.after(0, () => {
        subscriber.next({
          scores: scores.subarray(0, batch.length * CLASSES),
          classes: CLASSES,
          auxiliary: undefined,
          computeMs: 0.1,
        });
        subscriber.complete();
      }),
    ),
};

const models = ['only'];
let ready = (): void => undefined;
const isReady = new Promise<void>((resolve) => {
  ready = resolve;
});
startPlane(bus, realClock, planOf({ models, maxWaitMs: 0 }), {
  specs: [{ name: 'image', dtype: 'uint8', shape: [28, 28] }],
  createBackend: () => backend,
  device: { classes: [...'abcdefghij'] },
  weights: { profiled: [{ batch: [1, LARGEST_BATCH], ms: [0.1, 1] }] },
  frontend: { largestBatch: LARGEST_BATCH, onReady: ready },
});
await isReady;

const body = pack({ inputs: { image: new Uint8Array(784).fill(7) } });
let answered = 0;
let onAnswer = (): void => undefined;
bus.messages$(REPLY).subscribe(() => {
  answered++;
  onAnswer();
});

/** Closed loop with a constant number of requests in flight. */
function ask(requests: number): Promise<void> {
  return new Promise((resolve) => {
    const last = answered + requests;
    let left = requests;
    const send = (): void => {
      left--;
      bus.publish('cascade.test.infer', body, { reply: REPLY });
    };
    onAnswer = () => {
      if (left > 0) send();
      else if (answered === last) resolve();
    };
    while (left > Math.max(0, requests - IN_FLIGHT)) send();
  });
}

await ask(REQUESTS / 2);
const stop = processorSeconds();
await ask(REQUESTS);
const microseconds = (1e6 * stop()) / REQUESTS;
console.log(`${microseconds.toFixed(2)} us of processor time a request`);
console.log(`written to ${writeResult('plane-processor', { emulated: true, requests: REQUESTS, microseconds })}`);
process.exit(0);
