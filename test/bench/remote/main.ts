/**
 * A cascade that includes a third-party server: two models on MLServer (from PyPI), one here. MLServer is killed under load and
 * restarted: each request must end exactly once, the gear for its loss must come into force, and the full plan must be in force again
 * once it is back.
 *
 * The environment is set up once, in .cache/remote. If PyPI cannot be reached, the bench is skipped with a message.
 *
 * Usage: npm run bench:remote [-- OPTIONS]
 *   --protocol http,grpc   protocols to use with MLServer
 *   --qps N                load in requests per second; 50
 *   --python FILE          interpreter of 3.9 to 3.12 for the environment; python3
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Status } from '../../../actors/controller/status-report.ts';
import { startNatsServer } from '../../../engine/bus/nats-server.ts';
import { readPlan } from '../../../plans/domain/gear-plan/plan-file.ts';
import { readProfile } from '../../../plans/domain/profile/profile-file.ts';
import type { Report } from '../../../plans/report/report.ts';
import { cascadeJson, profileAndPlan, startCascade } from '../../support/cascade.ts';
import { freePort } from '../../support/free-port.ts';
import { writeResult } from '../machine.ts';
import { type MlServer, setUpMlServer } from './mlserver.ts';
import { until } from './until.ts';

const { values } = parseArgs({
  options: {
    protocol: { type: 'string', default: 'http,grpc' },
    qps: { type: 'string', default: '50' },
    python: { type: 'string', default: 'python3' },
  },
});
const QPS = Number(values.qps);
const FASHION = resolve('conf/fashion');
const MODELS = ['cnn-small', 'cnn-medium'];
const WITHIN_MS = 120_000;

const environment = resolve('.cache/remote');
const found = await setUpMlServer(values.python, environment);
if ('skipped' in found) {
  console.log(`skipped: MLServer is not available here: ${found.skipped}`);
  process.exit(0);
}
const rows = [];
for (const protocol of values.protocol.split(',')) rows.push(await measure(protocol, found));
console.table(rows);
console.log(`written to ${writeResult('remote', { qps: QPS, server: found.version, rows })}`);

async function measure(protocol: string, mlserver: MlServer): Promise<object> {
  const root = mkdtempSync(join(tmpdir(), 'cascade-remote-bench-'));
  const nats = await startNatsServer();
  const ports = { http: await freePort(), grpc: await freePort(), metrics: await freePort() };
  const start = () => mlserver.start(join(root, 'mlserver'), ports, MODELS, FASHION);
  let server = await start();
  const folder = join(root, 'deployment');
  mkdirSync(folder);
  const url = `${protocol}://127.0.0.1:${protocol === 'grpc' ? ports.grpc : ports.http}`;
  writeFileSync(
    join(folder, 'deployment.yaml'),
    `name: front
models:
  - { name: linear, file: ${FASHION}/models/linear.onnx, maxBatch: 16 }
  - { name: cnn-small, remote: cnn-small, maxBatch: 16 }
  - { name: cnn-medium, remote: { name: cnn-medium, version: v1 }, maxBatch: 16 }
data: { inputs: { image: ${FASHION}/data/images.npy }, labels: ${FASHION}/data/labels.npy, validation: 0.2 }
devices:
  - { id: here, kind: cpu, memory: 512MiB }
  - { id: mlserver, kind: remote, url: "${url}" }
slo: { p95: 1s }
deadline: 30s
load: { qpsMax: ${2 * QPS}, ranges: 2 }
nats: { servers: ["${nats.url}"] }
`,
  );
  try {
    await profileAndPlan(folder);
    const { models } = readProfile(join(folder, 'profile.json'));
    const plan = readPlan(join(folder, 'plan.json'));
    const serving = startCascade(['serve', folder, '--log-level', 'warn']);
    await serving.firstLine;
    let lostMs = 0;
    let backMs = 0;
    let cascades: readonly (string | undefined)[] = [];
    const report: Report = await loadWhile(folder, async () => {
      const before = await statusThat(folder, ({ qps }) => atLeast(qps, QPS / 2));
      const killedAt = performance.now();
      await server.kill();
      const lost = await statusThat(folder, ({ gear }) => same(gear?.lost, 'mlserver'));
      lostMs = performance.now() - killedAt;
      server = await start();
      const startedAt = performance.now();
      const back = await statusThat(folder, ({ gear, devices }) => {
        same(gear?.lost, null);
        same(devices.find(({ device }) => device === 'mlserver')?.phase, 'ready');
      });
      backMs = performance.now() - startedAt;
      cascades = [before, lost, back].map(({ gear }) => gear?.cascade);
    });
    const end = await serving.stop();
    if (end.code !== 0) throw new Error(end.stderr);
    const { offered, completed, rejected, errors, lost, duplicates, accuracy } = report;
    return {
      protocol,
      cascade: cascades[0],
      'while lost': cascades[1],
      afterwards: cascades[2],
      planned: plan.expected.accuracy,
      accuracy,
      'batch of 1, ms': models.map(({ name, runtimes }) => `${name} ${Object.values(runtimes)[0].ms[0]}`).join(', '),
      'lost after, ms': Math.round(lostMs),
      'back after, ms': Math.round(backMs),
      offered,
      completed,
      rejected,
      errors,
      lost,
      duplicates,
    };
  } finally {
    await server.kill();
    await nats.stop();
    rmSync(root, { recursive: true });
  }
}

function statusThat(folder: string, check: (status: Status) => void): Promise<Status> {
  return until(WITHIN_MS, async () => {
    const status = await cascadeJson<Status>(['status', folder]);
    check(status);
    return status;
  });
}

/** Runs a load until `happens` resolves. */
async function loadWhile(folder: string, happens: () => Promise<void>): Promise<Report> {
  const load = startCascade(['load', folder, '--qps', String(QPS), '--seconds', '600', '--json', '-']);
  try {
    await happens();
  } finally {
    load.process.kill('SIGINT');
  }
  const { code, stdout, stderr } = await load.ended;
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Report;
}

function atLeast(value: number, least: number): void {
  if (value < least) throw new Error(`${value} is less than ${least}`);
}

function same(value: unknown, wanted: unknown): void {
  if (value !== wanted) throw new Error(`${value} is not ${wanted}`);
}
