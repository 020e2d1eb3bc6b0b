/**
 * The serving plane: requests/s, p50 and p99 of a cascade of only the cheapest model, requested with `nc.request` by a plain nats.js
 * client, compared with a raw NATS echo of the same body. It is served by separate frontend and device processes, and with the frontend
 * in the device's process (`frontends: in-devices`). All run for the whole bench and are measured in turn.
 *
 * Given the folder of another commit with its dependencies installed, both commits serve at the same time, and the ratios of their
 * requests/s, this one's over the other's, are reported, too. Each round then starts everything again, the other commit first every
 * second time: what starts last is a few percent faster, whatever it is.
 *
 * Usage: npm run bench:plane [-- rounds [folder of another commit]]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
const OTHER = process.argv[3];
const ROUND_MS = 2_000;
const WARM_UP_MS = 1_000;
/** The higher concurrency comes first, so that afterwards all code, including the echo's, is as warm as in a busy server. */
const CONCURRENCIES = [256, 1];
const IMAGE_BYTES = 784;
/** Deployments by where their frontend is. */
const FRONTENDS = { plane: '1', 'plane-in-devices': 'in-devices' } as const;
const DEPLOYMENTS = ['plane', 'plane-in-devices'] as const;
type Deployment = (typeof DEPLOYMENTS)[number];
const ECHO_SUBJECT = 'bench.echo';

/** Where a commit's program is, and what its deployments are called. */
interface Commit {
  readonly suffix: string;
  readonly command: readonly string[];
}
/** Compiled, as users run it: a loader that compiles at run time makes functions slower. */
const PROGRAM = 'actors/cascade.mjs';
const THIS: Commit = { suffix: '', command: [resolve(PROGRAM)] };
const COMMITS = OTHER === undefined ? [THIS] : [THIS, { suffix: '-other', command: [resolve(OTHER, PROGRAM)] }];

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
async function prepare(folder: string, { command, suffix }: Commit, deployment: Deployment): Promise<string> {
  const fashion = resolve('conf/fashion');
  const file = join(folder, 'deployment.yaml');
  writeFileSync(
    file,
    `name: ${deployment}${suffix}
frontends: ${FRONTENDS[deployment]}
models: [ { name: linear, file: ${fashion}/models/linear.onnx } ]
data: { inputs: { image: ${fashion}/data/images.npy }, labels: ${fashion}/data/labels.npy, validation: 0.5 }
devices: [ { id: cpu1, kind: cpu, cores: [1], memory: 1GiB } ]
slo: { p95: 100ms }
deadline: 30s
load: { qpsMax: 4000, ranges: 1 }
`,
  );
  await cascade(command, ['profile', file, '--out', join(folder, 'profile.json')]);
  await cascade(command, ['plan', file, '--profile', join(folder, 'profile.json'), '--out', join(folder, 'plan.json')]);
  return file;
}

async function cascade(command: readonly string[], args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [...command, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`cascade ${args.join(' ')} ended with code ${code}`);
}

async function serve(command: readonly string[], file: string, url: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [...command, 'serve', file, '--nats', url, '--log-level', 'warn'], {
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

interface Deployed {
  readonly subjects: ReadonlyMap<string, string>;
  readonly connection: NatsConnection;
  /** Time of a batch of one, by the profile. */
  readonly batch1Ms: number;
  stop(): Promise<void>;
}

async function start(commits: readonly Commit[]): Promise<Deployed> {
  const folder = mkdtempSync(join(tmpdir(), 'cascade-plane-'));
  const server = await startNatsServer();
  const children: ChildProcess[] = [];
  const stop = async (): Promise<void> => {
    for (const child of children) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    await server.stop();
    rmSync(folder, { recursive: true });
  };
  try {
    const subjects = new Map([['echo', ECHO_SUBJECT]]);
    for (const commit of commits) {
      for (const deployment of DEPLOYMENTS) {
        const name = `${deployment}${commit.suffix}`;
        mkdirSync(join(folder, name));
        children.push(await serve(commit.command, await prepare(join(folder, name), commit, deployment), server.url));
        subjects.set(name, `cascade.${name}.infer`);
      }
    }
    children.push(await echo(server.url, ECHO_SUBJECT));
    const profile = readProfile(join(folder, 'plane', 'profile.json'));
    const batch1Ms = runtimeMs(Object.values(profile.models[0].runtimes)[0], 1);
    const connection = await connect({ servers: server.url });
    return { subjects, connection, batch1Ms, stop: () => connection.close().then(stop) };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** By concurrency and by what was measured, round by round. */
const measured = new Map(CONCURRENCIES.map((concurrency) => [concurrency, new Map<string, Measurement[]>()]));
const batch1s: number[] = [];
const image = readFileSync('conf/fashion/data/images.npy').subarray(128, 128 + IMAGE_BYTES);
const body = pack({ inputs: { image } });

/** Measures everything `rounds` times on freshly started processes. */
async function session(commits: readonly Commit[], rounds: number): Promise<void> {
  const { subjects, connection, batch1Ms, stop } = await start(commits);
  batch1s.push(batch1Ms);
  try {
    for (const concurrency of CONCURRENCIES) {
      for (const subject of subjects.values()) await measure(connection, subject, body, concurrency, WARM_UP_MS);
      for (let round = 0; round < rounds; round++) {
        for (const [what, subject] of round % 2 === 0 ? subjects : [...subjects].toReversed()) {
          const known = measured.get(concurrency)!;
          const own = await measure(connection, subject, body, concurrency, ROUND_MS);
          known.set(what, [...(known.get(what) ?? []), own]);
        }
      }
    }
  } finally {
    await stop();
  }
}

if (COMMITS.length === 1) await session(COMMITS, ROUNDS);
else for (let round = 0; round < ROUNDS; round++) await session(round % 2 === 0 ? COMMITS : COMMITS.toReversed(), 1);

const rows: (Measurement & { concurrency: number; what: string; qpsOverEcho: number; p50OverEcho: number })[] = [];
const overOther: { concurrency: number; what: string; qps: number; lowest: number; highest: number }[] = [];
for (const [concurrency, byWhat] of measured) {
  /** Ratios to what was measured in the same round. */
  const ratios = (what: string, to: string, field: keyof Measurement): number[] =>
    byWhat.get(what)!.map((m, i) => m[field] / byWhat.get(to)![i][field]);
  for (const [what, rounds] of byWhat) {
    const of = (field: keyof Measurement): number => median(rounds.map((m) => m[field]));
    rows.push({
      concurrency,
      what,
      qps: of('qps'),
      p50Ms: of('p50Ms'),
      p99Ms: of('p99Ms'),
      qpsOverEcho: median(ratios(what, 'echo', 'qps')),
      p50OverEcho: median(ratios(what, 'echo', 'p50Ms')),
    });
  }
  for (const { suffix } of COMMITS.slice(1)) {
    for (const what of DEPLOYMENTS) {
      const qps = ratios(what, `${what}${suffix}`, 'qps');
      overOther.push({ concurrency, what, qps: median(qps), lowest: Math.min(...qps), highest: Math.max(...qps) });
    }
  }
}
const row = (concurrency: number, what: string) => rows.find((each) => each.concurrency === concurrency && each.what === what)!;
const batch1Ms = median(batch1s);
const verdict = Object.fromEntries(
  DEPLOYMENTS.map((what) => {
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
if (overOther.length > 0) console.table(overOther);
console.dir(verdict, { depth: null });
const result = { rounds: ROUNDS, roundMs: ROUND_MS, bodyBytes: body.length, batch1Ms, rows, overOther, verdict };
console.log(`written to ${writeResult('plane', result)}`);
