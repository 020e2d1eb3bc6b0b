/**
 * What an audit finds, and what it costs. First, pictures with noise or inverted at 500 requests/s: seconds until the estimated share
 * of answers that the most accurate model would not give is within 2 points of the true one and stays there, and until the loss is
 * told. The truth is that model asked about all of them. Then full load with and without an audit, in turn.
 *
 * Usage: npm run bench:audit
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { createClient } from '../../actors/client/client.ts';
import { requestStatus } from '../../actors/controller/ask-status.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { realClock } from '../../engine/clock.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import type { Report } from '../../plans/report/report.ts';
import { cascadeJson, profileAndPlan, startCascade } from '../support/cascade.ts';
import { fashionOnTwoDevices } from '../support/fashion.ts';
import { labelsBy, type Shift, shiftedImages } from '../support/shifted-images.ts';
import { median, writeResult } from './machine.ts';

const QPS = 500;
const EACH_MS = 20;
const SECONDS = 70;
const IMAGES = 2_000;
const POINTS = 0.02;
const ROUNDS = 5;
const FULL_QPS = 2_400;
const FULL_SECONDS = 10;

const folder = mkdtempSync(join(tmpdir(), 'cascade-audit-bench-'));
const server = await startNatsServer();
const bus = await connectNats({ servers: server.url });
const plain = fashionOnTwoDevices('auditbench', server.url, { qpsMax: FULL_QPS, ranges: 8 });
const file = join(folder, 'deployment.yaml');
writeFileSync(file, plain);
await profileAndPlan(folder);

async function served<T>(audit: boolean, run: () => Promise<T>): Promise<T> {
  writeFileSync(file, audit ? `${plain}audit: {}\n` : plain);
  const serving = startCascade(['serve', folder, '--log-level', 'error']);
  await serving.firstLine;
  try {
    return await run();
  } finally {
    await serving.stop();
  }
}

/** The shift begins after pictures as they were; all before it counts as long as the window holds it. */
async function found(shift: Shift) {
  const images = shiftedImages(shift, IMAGES);
  const reference = await labelsBy('cnn-medium', images);
  const client = createClient(bus, realClock, { deployment: 'auditbench' });
  let differ = 0;
  let answered = 0;
  let withinFrom: number | undefined;
  let lostAfter: number | undefined;
  let error = Number.NaN;
  const beganAt = realClock.now();
  for (let sent = 0; realClock.now() - beganAt < SECONDS * 1_000; ) {
    const due = Math.floor(((realClock.now() - beganAt) * QPS) / 1_000);
    for (; sent < due; sent++) {
      const i = sent % IMAGES;
      const told = ({ label }: { label?: number }): void => {
        answered++;
        if (label !== reference[i]) differ++;
      };
      client.infer({ image: images[i] }).then(told, () => undefined);
    }
    await setTimeout(EACH_MS);
    const seconds = (realClock.now() - beganAt) / 1_000;
    if (Math.floor(seconds) === Math.floor(seconds - EACH_MS / 1_000)) continue;
    const { drift } = await requestStatus(bus, subjectsOf('auditbench'));
    const estimate = drift?.audit?.disagreement?.estimate;
    if (drift?.audit?.lost) lostAfter ??= seconds;
    error = estimate === undefined ? Number.NaN : Math.abs(estimate - differ / answered);
    withinFrom = error <= POINTS ? (withinFrom ?? seconds) : undefined;
  }
  return { shift, truth: differ / answered, error, withinPointsAfterSeconds: withinFrom, toldAfterSeconds: lostAfter };
}

async function fullLoad(): Promise<Pick<Report, 'goodputQps' | 'latencyMs'>> {
  const seconds = String(FULL_SECONDS);
  return cascadeJson<Report>(['load', folder, '--qps', String(FULL_QPS), '--seconds', seconds, '--json', '-']);
}

try {
  const shifts = [];
  for (const shift of ['noise', 'inverted'] as const) shifts.push(await served(true, () => found(shift)));
  console.table(shifts);
  const runs: { audit: boolean; p95: number; goodputQps: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const audit of round % 2 === 0 ? [true, false] : [false, true]) {
      const { latencyMs, goodputQps } = await served(audit, fullLoad);
      runs.push({ audit, p95: latencyMs.p95 ?? Number.NaN, goodputQps });
    }
  }
  const cost = [true, false].map((audit) => {
    const own = runs.filter((run) => run.audit === audit);
    return { audit, p95: median(own.map(({ p95 }) => p95)), goodputQps: median(own.map((run) => run.goodputQps)) };
  });
  console.table(cost);
  console.log(`wrote ${writeResult('audit', { shifts, runs, cost })}`);
} finally {
  await bus.close();
  await server.stop();
  rmSync(folder, { recursive: true });
}
