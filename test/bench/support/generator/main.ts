/**
 * A load generator that shares no code with the project, so that it can contradict it: raw sockets, its own schedule, clock and
 * arithmetic. Open loop: requests are sent at the times of a Poisson process regardless of answers, and latency counts from the
 * scheduled time. Prints `begun` on stderr when it starts, and a JSON report on stdout at the end.
 *
 * Usage: node --import tsx test/bench/support/generator/main.ts CONFIG, a JSON object (see GeneratorConfig)
 */
import { setPriority } from 'node:os';
import { Worker } from 'node:worker_threads';
import { Packr } from 'msgpackr';
import { HTTP_FORMATS, type HttpFormatName } from './http-formats.ts';
import { openHttp } from './http-pool.ts';
import { openNats } from './nats-text.ts';
import { readSamples } from './samples.ts';
import { poissonSchedule, type Step, shuffled } from './schedule.ts';
import { type GeneratorReport, Tally } from './tally.ts';

export interface GeneratorConfig {
  /** `nats://HOST:PORT` or `http://HOST:PORT/PATH`. */
  readonly url: string;
  /** NATS only: subject of the requests. */
  readonly subject?: string;
  /** NATS only: name of the input in a request. */
  readonly input?: string;
  /** HTTP only: format of requests and answers. Default: `bytes`. */
  readonly format?: HttpFormatName;
  /** `.npy` files of unsigned bytes: images and their labels. */
  readonly images: string;
  readonly labels?: string;
  /** Half-open range of the samples to send, in random order. */
  readonly samples: readonly [from: number, to: number];
  readonly steps: readonly Step[];
  readonly seed: number;
  readonly sloMs: number;
  /** Later answers count as missing. The run ends at most this long after the last request. */
  readonly deadlineMs: number;
  /** NATS only: deadline in the requests. Default: none, so that the server's applies. */
  readonly requestDeadlineMs?: number;
  readonly withinMs?: number;
  readonly skipSeconds?: number;
  /** HTTP connections to open at the start. */
  readonly connections?: number;
  readonly mostConnections?: number;
}

/** Time for the waker thread to start. */
const LEAD_MS = 200;
/** Requests due within this time are sent together: waking up for each would take the processor time that is to be measured. */
const LEAST_PAUSE_MS = 0.5;

const config = JSON.parse(process.argv[2]) as GeneratorConfig;
const schedule = poissonSchedule(config.steps, config.seed);
const order = shuffled(...config.samples, config.seed);
const sampleOf = (request: number): number => order[request % order.length];
const images = readSamples(config.images);
const labels = config.labels === undefined ? undefined : readSamples(config.labels);
const nats = config.url.startsWith('nats:');
const deadline = config.requestDeadlineMs === undefined ? {} : { deadlineMs: config.requestDeadlineMs };
const format = HTTP_FORMATS[config.format ?? 'bytes'];
const packr = new Packr({ useRecords: false });
const bodies = Array.from({ length: images.count }, (_, sample) => {
  const [from, to] = config.samples;
  if (sample < from || sample >= to) return new Uint8Array(0);
  const image = images.at(sample);
  // A copy, because the packer reuses its buffer.
  return nats ? new Uint8Array(packr.pack({ inputs: { [config.input ?? 'image']: image }, ...deadline })) : format.body(image);
});
const bodyOf = (request: number): Uint8Array => bodies[sampleOf(request)];

let beginMs = Number.POSITIVE_INFINITY;
const tally = new Tally({
  schedule,
  steps: config.steps,
  sloMs: config.sloMs,
  withinMs: config.withinMs ?? 100,
  deadlineMs: config.deadlineMs,
  skipSeconds: config.skipSeconds ?? 0,
  now,
  labelOf: labels && ((request) => labels.at(sampleOf(request))[0]),
});
const transport = nats
  ? await openNats(config.url, config.subject ?? '', bodyOf, tally)
  : await openHttp(config.url, format, bodyOf, tally, { open: config.connections ?? 64, most: config.mostConnections ?? 4_096 });

// For this thread only; the waker raises its own priority. Sending is little work and must not wait for a core.
setPriority(-10);
beginMs = monotonicMs() + LEAD_MS;
const waker = new Worker(new URL('waker.mjs', import.meta.url), {
  workerData: { schedule, beginMs, leastPauseMs: LEAST_PAUSE_MS },
  execArgv: [],
});
process.stderr.write('begun\n');
const cpuBefore = process.cpuUsage();
let next = 0;
await new Promise<void>((resolve, reject) => {
  waker.on('error', reject);
  waker.on('exit', () => resolve());
  waker.on('message', () => {
    const from = next;
    const at = now();
    while (next < schedule.length && schedule[next] <= at) next++;
    if (next === from) return;
    transport.send(from, next);
    tally.sent(from, next);
  });
});
if (next < schedule.length) throw new Error(`${schedule.length - next} of ${schedule.length} requests were not sent`);
const endMs = schedule.length === 0 ? 0 : schedule[schedule.length - 1] + config.deadlineMs;
while (!tally.allEnded && now() < endMs) await new Promise((resolve) => setTimeout(resolve, 10));
transport.close();
const cpu = process.cpuUsage(cpuBefore);
const processorSeconds = (cpu.user + cpu.system) / 1e6;
const report: GeneratorReport = { ...tally.report(), waitedForConnection: transport.waited, processorSeconds };
console.log(JSON.stringify(report));

function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

/** Milliseconds since the start of the schedule. */
function now(): number {
  return monotonicMs() - beginMs;
}
