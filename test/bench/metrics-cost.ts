/**
 * What metrics cost in processor time: counting an answer and a batch on a device, reporting once a second, reading the report, and a
 * scrape. The medians are added up for a device with 5 models and 8 gears that answers 5,000 requests/s in batches of 4.
 *
 * Usage: npm run bench:metrics
 */
import { Measures } from '../../actors/device/measures.ts';
import { Exposition } from '../../actors/metrics/exposition.ts';
import { Observations } from '../../actors/metrics/observations.ts';
import { STATE } from '../../plans/protocol/channels.ts';
import { encode } from '../../plans/protocol/codec.ts';
import { EXITS, type Result } from '../../plans/protocol/messages.ts';
import { deviceState } from '../support/plans.ts';
import { median, writeResult } from './machine.ts';

const ROUNDS = 21;
const QPS = 5_000;
const BATCH = 4;
const MODELS = ['a', 'b', 'c', 'd', 'e'];
const GEARS = 8;

/** Median time of a call, in microseconds. */
function micros(calls: number, call: (i: number) => void): number {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const startedAt = process.hrtime.bigint();
    for (let i = 0; i < calls; i++) call(i);
    return Number(process.hrtime.bigint() - startedAt) / 1_000 / calls;
  });
  return median(rounds);
}

const results = Array.from({ length: 10_000 }, (_, i): Result => {
  const timing = { queueMs: (i * 7) % 20, computeMs: (i * 3) % 5, totalMs: (i * 11) % 40 };
  const common = { id: '', certainty: 1, stage: 0, revision: 1, timing };
  return { ...common, model: MODELS[i % MODELS.length], gear: i % GEARS, exit: EXITS[i % EXITS.length] };
});
const measures = new Measures();
const answer = micros(results.length, (i) => measures.answered(results[i]));
const batch = micros(10_000, (i) => measures.batch(MODELS[i % MODELS.length], 1 + (i % 64), i % 9));
const plain = micros(1_000, () => encode(deviceState()));
const told = micros(1_000, () => encode(deviceState({ measures: measures.snapshot })));
const [plainBytes, toldBytes] = [encode(deviceState()), encode(deviceState({ measures: measures.snapshot }))];
const read = micros(1_000, () => STATE.codec.decode(plainBytes));
const readTold = micros(1_000, () => STATE.codec.decode(toldBytes));
const observations = new Observations(
  { name: 'bench', version: '0', devices: ['d0'], slo: { type: 'latency', p95Ms: 100 }, qpsMax: QPS },
  0,
);
observations.state(deviceState({ measures: measures.snapshot }), 0);
const scrape = micros(100, () => {
  const exposition = new Exposition();
  observations.write(exposition, 0, {});
  exposition.toString();
});
const perSecondUs = QPS * answer + (QPS / BATCH) * batch + (told - plain);
const figures = {
  answerUs: answer,
  batchUs: batch,
  tellUs: told - plain,
  toldBytes: toldBytes.length - plainBytes.length,
  readUs: readTold - read,
  scrapeUs: scrape,
  shareOfDeviceCore: perSecondUs / 1e6,
};
for (const [name, value] of Object.entries(figures)) console.log(name.padEnd(20), value.toPrecision(3));
console.log(`wrote ${writeResult('metrics-cost', figures)}`);
