/**
 * Bench of the serving plane: requests/s, p50 and p99 of a cascade of the cheapest model only, asked with `nc.request` by a
 * plain nats.js client, beside a raw NATS echo of the same body. Both are up for the whole run and measured in turn.
 *
 * Usage: npm run bench:plane [-- rounds]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pack } from 'msgpackr';
import { connect, type NatsConnection } from 'nats';
import { startNatsServer } from '../../engine/nats-server.ts';
import { entry } from '../../engine/source.ts';
import { runtimeMs } from '../../plans/profile.ts';
import { readProfile } from '../../plans/profile-file.ts';
import { median, writeResult } from './machine.ts';

const ROUNDS = Number(process.argv[2] ?? 7);
const ROUND_MS = 2_000;
const WARM_UP_MS = 1_000;
/** The many first: afterwards all code, of the echo as of the plane, is as warm as that of a server in use. */

const CONCURRENCIES = [256, 1];
const IMAGE_BYTES = 784;

interface Measurement {
  readonly qps: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Closed loop: `concurrency` callers, each with one request in flight. */
async function measure(
  connection: NatsConnection,
  subject: string,
  body: Uint8Array,
  concurrency: number,
  forMs: number,
): Promise<Measurement> {
  const latencies: number[] = [];
  const begin = performance.now();
  const end = begin + forMs;
  const caller = async (): Promise<void> => {
    for (let sentAt = performance.now(); sentAt < end; sentAt = performance.now()) {
      const { headers } = await connection.request(subject, body, { timeout: 10_000 });
      if (headers?.has('Nats-Service-Error')) throw new Error(headers.get('Nats-Service-Error'));
      latencies.push(performance.now() - sentAt);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  const tookMs = performance.now() - begin;
  latencies.sort((a, b) => a - b);
  const at = (fraction: number): number => latencies[Math.max(0, Math.ceil(fraction * latencies.length) - 1)];
  return { qps: (1_000 * latencies.length) / tookMs, p50Ms: at(0.5), p99Ms: at(0.99) };
}

/** A deployment of the cheapest fashion model alone, profiled and planned. */
async function prepare(folder: string): Promise<string> {
  const fashion = resolve('conf/fashion');
  const file = join(folder, 'deployment.yaml');
  writeFileSync(
    file,
    `name: plane
models: [ { name: linear, file: ${fashion}/models/linear.onnx } ]
data: { inputs: { image: ${fashion}/data/images.npy }, labels: ${fashion}/data/labels.npy, validation: 0.5 }
devices: [ { id: cpu1, kind: cpu, cores: [1], memory: 1GiB } ]
slo: { p95: 100ms }
load: { qpsMax: 4000, ranges: 1 }
`,
  );
  for (const command of ['profile', 'plan']) await cascade([command, file], 'inherit');
  return file;
}

async function cascade(args: readonly string[], stdout: 'inherit' | 'ignore'): Promise<void> {
  const main = entry('actors/main');
  const child = spawn(process.execPath, [...main.execArgv, main.path, ...args], { stdio: ['ignore', stdout, 'inherit'] });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`cascade ${args.join(' ')} ended with code ${code}`);
}

async function serve(file: string, url: string): Promise<ChildProcess> {
  const main = entry('actors/main');
  const child = spawn(process.execPath, [...main.execArgv, main.path, 'serve', file, '--nats', url, '--log-level', 'warn'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(child.stdout!, 'data');
  process.stderr.write(line);
  return child;
}

async function echo(url: string, subject: string): Promise<ChildProcess> {
  const program = entry('test/bench/echo');
  const child = spawn(process.execPath, [...program.execArgv, program.path, url, subject], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await once(child, 'message');
  return child;
}

const folder = mkdtempSync(join(tmpdir(), 'cascade-plane-'));
const server = await startNatsServer();
const children: ChildProcess[] = [];
try {
  const file = await prepare(folder);
  children.push(await serve(file, server.url), await echo(server.url, 'bench.echo'));
  const connection = await connect({ servers: server.url });
  const image = readFileSync('conf/fashion/data/images.npy').subarray(128, 128 + IMAGE_BYTES);
  const body = pack({ inputs: { image } });
  const subjects = { echo: 'bench.echo', plane: 'cascade.plane.infer' };
  const profile = readProfile(join(folder, 'profile.json'));
  const batch1Ms = runtimeMs(Object.values(profile.models[0].runtimes)[0], 1);

  const rows = [];
  for (const concurrency of CONCURRENCIES) {
    const measured: Record<keyof typeof subjects, Measurement[]> = { echo: [], plane: [] };
    for (const subject of Object.values(subjects)) await measure(connection, subject, body, concurrency, WARM_UP_MS);
    for (let round = 0; round < ROUNDS; round++) {
      for (const key of round % 2 === 0 ? (['echo', 'plane'] as const) : (['plane', 'echo'] as const)) {
        measured[key].push(await measure(connection, subjects[key], body, concurrency, ROUND_MS));
      }
    }
    const of = (key: keyof typeof subjects, field: keyof Measurement): number => median(measured[key].map((m) => m[field]));
    rows.push({
      concurrency,
      echo: { qps: of('echo', 'qps'), p50Ms: of('echo', 'p50Ms'), p99Ms: of('echo', 'p99Ms') },
      plane: { qps: of('plane', 'qps'), p50Ms: of('plane', 'p50Ms'), p99Ms: of('plane', 'p99Ms') },
      /** Per round, plane over echo of the same round; their median. */
      qpsRatio: median(measured.plane.map((m, i) => m.qps / measured.echo[i].qps)),
      p50Ratio: median(measured.plane.map((m, i) => m.p50Ms / measured.echo[i].p50Ms)),
    });
  }
  await connection.close();
  const verdict = {
    qpsRatioAt256: { measured: rows[0].qpsRatio, target: 0.7, met: rows[0].qpsRatio >= 0.7 },
    p50At1Ms: {
      measured: rows[1].plane.p50Ms,
      target: 2 * rows[1].echo.p50Ms + batch1Ms,
      met: rows[1].plane.p50Ms <= 2 * rows[1].echo.p50Ms + batch1Ms,
    },
  };
  console.table(
    rows.flatMap(({ concurrency, echo, plane }) => [
      { concurrency, what: 'raw NATS echo', ...echo },
      { concurrency, what: 'cascade (linear)', ...plane },
    ]),
  );
  console.log(verdict);
  console.log(
    `written to ${writeResult('plane', { rounds: ROUNDS, roundMs: ROUND_MS, bodyBytes: body.length, batch1Ms, rows, verdict })}`,
  );
} finally {
  for (const child of children) {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  await server.stop();
  rmSync(folder, { recursive: true });
}
