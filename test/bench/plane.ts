/**
 * The serving plane: requests/s, p50 and p99 of a cascade of only the cheapest model, requested with `nc.request` by a plain nats.js
 * client, compared with a raw NATS echo of the same body. It is served by separate frontend and device processes, and with the frontend
 * in the device's process (`frontends: in-devices`). All run for the whole bench and are measured in turn.
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
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { entry } from '../../engine/source.ts';
import { runtimeMs } from '../../plans/domain/profile/profile.ts';
import { readProfile } from '../../plans/domain/profile/profile-file.ts';
import { median, writeResult } from './machine.ts';

const ROUNDS = Number(process.argv[2] ?? 7);
const ROUND_MS = 2_000;
const WARM_UP_MS = 1_000;
/** The higher concurrency comes first, so that afterwards all code, including the echo's, is as warm as in a busy server. */
const CONCURRENCIES = [256, 1];
const IMAGE_BYTES = 784;
/** Deployments by where their frontend is. */
const FRONTENDS = { plane: '1', 'plane-in-devices': 'in-devices' } as const;
const SUBJECTS = {
  echo: 'bench.echo',
  plane: 'cascade.plane.infer',
  'plane-in-devices': 'cascade.plane-in-devices.infer',
} as const;
type Served = keyof typeof SUBJECTS;

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

/** Writes, profiles and plans a deployment of only the cheapest fashion model. */
async function prepare(folder: string, name: keyof typeof FRONTENDS): Promise<string> {
  const fashion = resolve('conf/fashion');
  const file = join(folder, `${name}.yaml`);
  writeFileSync(
    file,
    `name: ${name}
frontends: ${FRONTENDS[name]}
models: [ { name: linear, file: ${fashion}/models/linear.onnx } ]
data: { inputs: { image: ${fashion}/data/images.npy }, labels: ${fashion}/data/labels.npy, validation: 0.5 }
devices: [ { id: cpu1, kind: cpu, cores: [1], memory: 1GiB } ]
slo: { p95: 100ms }
deadline: 30s
load: { qpsMax: 4000, ranges: 1 }
`,
  );
  await cascade(['profile', file, '--out', join(folder, 'profile.json')], 'ignore');
  await cascade(['plan', file, '--profile', join(folder, 'profile.json'), '--out', join(folder, 'plan.json')], 'ignore');
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
  for (const name of ['plane', 'plane-in-devices'] as const) children.push(await serve(await prepare(folder, name), server.url));
  children.push(await echo(server.url, SUBJECTS.echo));
  const connection = await connect({ servers: server.url });
  const image = readFileSync('conf/fashion/data/images.npy').subarray(128, 128 + IMAGE_BYTES);
  const body = pack({ inputs: { image } });
  const profile = readProfile(join(folder, 'profile.json'));
  const batch1Ms = runtimeMs(Object.values(profile.models[0].runtimes)[0], 1);

  const served = Object.keys(SUBJECTS) as Served[];
  const rows: (Measurement & { concurrency: number; what: Served; qpsOverEcho: number; p50OverEcho: number })[] = [];
  for (const concurrency of CONCURRENCIES) {
    const measured: Record<Served, Measurement[]> = { echo: [], plane: [], 'plane-in-devices': [] };
    for (const what of served) await measure(connection, SUBJECTS[what], body, concurrency, WARM_UP_MS);
    for (let round = 0; round < ROUNDS; round++) {
      for (const what of round % 2 === 0 ? served : served.toReversed()) {
        measured[what].push(await measure(connection, SUBJECTS[what], body, concurrency, ROUND_MS));
      }
    }
    for (const what of served) {
      const of = (field: keyof Measurement): number => median(measured[what].map((m) => m[field]));
      /** Median of the ratios to the echo of the same round. */
      const overEcho = (field: keyof Measurement): number =>
        median(measured[what].map((m, i) => m[field] / measured.echo[i][field]));
      rows.push({
        concurrency,
        what,
        qps: of('qps'),
        p50Ms: of('p50Ms'),
        p99Ms: of('p99Ms'),
        qpsOverEcho: overEcho('qps'),
        p50OverEcho: overEcho('p50Ms'),
      });
    }
  }
  await connection.close();
  const row = (concurrency: number, what: Served) => rows.find((each) => each.concurrency === concurrency && each.what === what)!;
  const verdict = Object.fromEntries(
    (['plane', 'plane-in-devices'] as const).map((what) => {
      const { qpsOverEcho } = row(256, what);
      const { p50Ms } = row(1, what);
      const allowedMs = 2 * row(1, 'echo').p50Ms + batch1Ms;
      return [
        what,
        {
          qpsRatioAt256: { measured: qpsOverEcho, target: 0.7, met: qpsOverEcho >= 0.7 },
          p50At1Ms: { measured: p50Ms, target: allowedMs, met: p50Ms <= allowedMs },
        },
      ];
    }),
  );
  console.table(rows);
  console.dir(verdict, { depth: null });
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
