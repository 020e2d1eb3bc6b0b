import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type NatsConnection } from 'nats';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { decodeAnswers } from '../../actors/client/answers.ts';
import { type CascadeClient, connectCascade } from '../../actors/client/client.ts';
import type { Status } from '../../actors/controller/status-report.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { readProfile } from '../../plans/domain/profile/profile-file.ts';
import { type Answer, isFailure } from '../../plans/protocol/messages.ts';
import { durableStreamsOf, subjectsOf } from '../../plans/protocol/subjects.ts';
import { type Cascade, profileAndPlan, runCascade, startCascade } from '../support/cascade.ts';
import { freePort } from '../support/free-port.ts';

/** A deployment with stored requests whose processes, including the NATS server, are all killed while it works. */
const REQUESTS = 1_000;
/** The most requests that wait: a fault stops the producers until the deployment is back. */
const WINDOW = 150;
const PRODUCERS = 8;
const PATIENT = { timeout: 60_000, interval: 50 };
const SAMPLES = 500;

const subjects = subjectsOf('durable');
const streams = durableStreamsOf('durable');
const folder = mkdtempSync(join(tmpdir(), 'cascade-durable-'));
const storageFolder = mkdtempSync(join(tmpdir(), 'cascade-durable-store-'));
let port: number;
let server: NatsServer;
let serving: Cascade;
let client: CascadeClient;
let nats: NatsConnection;

const startServer = () => startNatsServer({ jetstream: true, port, storageFolder });

function writeDeployment(path: string, url: string): void {
  writeFileSync(
    path,
    `name: durable
synthetic:
  models: # both are always right, so that an answer can be told from that of another request
    - { name: small, accuracy: 1, fixed: 10ms, perSample: 3ms, memory: 1GB }
    - { name: large, accuracy: 1, fixed: 20ms, perSample: 6ms, memory: 1GB }
  samples: ${SAMPLES}
  classes: 100
  batches: [1, 2, 4, 8]
devices:
  - { id: a, kind: emulated, like: gpu, memory: 4GB }
  - { id: b, kind: emulated, like: gpu, memory: 4GB }
slo: { p95: 500ms }
load: { qpsMax: 300, ranges: 4 }
frontends: 1
deadline: 5s
durable: { ackWait: 1s, inFlight: 64 }
nats: { servers: [${url}] }
`,
  );
}

beforeAll(async () => {
  port = await freePort();
  server = await startServer();
  writeDeployment(join(folder, 'deployment.yaml'), server.url);
  await profileAndPlan(folder);
  serving = startCascade(['serve', folder, '--log-level', 'warn']);
  expect(await serving.firstLine).toMatch(/^cascade durable is ready/);
  client = await connectCascade({ servers: server.url, deployment: 'durable' });
  nats = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
});

afterAll(async () => {
  await client?.close();
  await nats?.close();
  const end = await serving?.stop();
  await server?.stop();
  for (const each of [folder, storageFolder]) rmSync(each, { recursive: true });
  expect(end?.code, end?.stderr).toBe(0);
});

const status = async (): Promise<Status> => (await nats.request(subjects.status, undefined, { timeout: 1_000 })).json<Status>();

/** The number of requests in the store, however long the reply takes. */
function waiting(): Promise<number> {
  return vi.waitFor(async () => (await (await nats.jetstreamManager()).streams.info(streams.requests)).state.messages, PATIENT);
}

test(`each of ${REQUESTS} acknowledged requests is answered even though frontend, devices and NATS server are killed`, async () => {
  const labels = readProfile(join(folder, 'profile.json')).labels;
  const acknowledged = new Map<string, number>();
  const heard: Answer[] = [];
  client.results$().subscribe((answer) => heard.push(answer));
  let next = 0;
  let failed: unknown;

  const produce = async (): Promise<void> => {
    while (next < REQUESTS) {
      const i = next++;
      await vi.waitFor(async () => expect(await waiting()).toBeLessThan(WINDOW), PATIENT);
      const id = `r${i}`;
      await client.enqueue({ sample: Int32Array.of(i % SAMPLES) }, { id, timeoutMs: 60_000 });
      acknowledged.set(id, i % SAMPLES);
    }
  };
  const producing = Promise.all(Array.from({ length: PRODUCERS }, produce)).catch((error) => {
    failed = error;
  });

  const killed: number[] = [];
  /** Producers and devices are about equally fast: at times nothing waits. */
  const someWait = () => vi.waitFor(async () => expect(failed ?? (await waiting())).toBeGreaterThan(0), PATIENT);
  /** Kills the current processes once `count` requests are acknowledged and some of them wait. */
  const killAt = async (count: number, pidsOf: (now: Status) => number[]): Promise<void> => {
    await vi.waitFor(() => expect(failed ?? acknowledged.size).toBeGreaterThanOrEqual(count), PATIENT);
    const pids = await vi.waitFor(async () => {
      const found = [...new Set(pidsOf(await status()))].filter((pid) => !killed.includes(pid));
      expect(found.length).toBeGreaterThan(0);
      return found;
    }, PATIENT);
    await someWait();
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    killed.push(...pids);
  };
  const restartServer = async (): Promise<void> => {
    server.kill('SIGKILL');
    await server.exited;
    server = await startServer();
  };
  const frontends = (now: Status): number[] => now.frontends.map(({ pid }) => pid);
  const devices = (now: Status): number[] => now.devices.map(({ pid }) => pid);

  await vi.waitFor(async () => expect((await status()).durable).toMatchObject({ stored: expect.any(Number) }), PATIENT);
  await killAt(100, frontends);
  await killAt(300, devices);
  await vi.waitFor(() => expect(failed ?? acknowledged.size).toBeGreaterThanOrEqual(500), PATIENT);
  await someWait();
  await restartServer();
  await killAt(700, (now) => [...frontends(now), ...devices(now)]);
  await restartServer();
  await producing;
  expect(failed).toBeUndefined();
  expect(acknowledged.size).toBe(REQUESTS);
  expect(killed.length).toBeGreaterThanOrEqual(4);
  await vi.waitFor(async () => expect(await waiting()).toBe(0), PATIENT);

  const manager = await nats.jetstreamManager();
  const { state } = await manager.streams.info(streams.answers);
  const answers = new Map<string, Answer>();
  for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
    for (const answer of decodeAnswers((await manager.streams.getMessage(streams.answers, { seq })).data))
      answers.set(answer.id, answer);
  }
  const wrong = [...acknowledged].filter(([id, sample]) => {
    const answer = answers.get(id);
    return answer === undefined || isFailure(answer) || answer.label !== labels[sample];
  });
  expect(wrong).toEqual([]);
  expect((await manager.streams.info(streams.dead)).state.messages).toBe(0);
  const settled = { stored: 0, waiting: 0, inFlight: 0, redelivered: 0, deadLetters: 0 };
  await vi.waitFor(async () => expect((await status()).durable).toEqual(settled), PATIENT);
  const { stdout } = await runCascade(['status', folder]);
  expect(stdout).toContain('durable ingress: 0 requests stored, 0 waiting, 0 in flight, 0 dead letters\n');
  const distinct = new Set(heard.map(({ id }) => id)).size;
  process.stderr.write(
    `durable ingress: ${acknowledged.size} acknowledged, ${answers.size} answered, ${state.messages - answers.size} stored twice; ` +
      `heard live: ${distinct}, of which ${heard.length - distinct} again\n`,
  );
});

test('serve reports a server without JetStream, naming the option', async () => {
  const plain = await startNatsServer();
  try {
    const { code, stderr } = await runCascade(['serve', folder, '--nats', plain.url, '--log-level', 'error']);
    expect(code, stderr).toBe(2);
    expect(stderr).toMatch(/durable: the NATS server has no JetStream .*start it with -js.*remove the option `durable`/);
  } finally {
    await plain.stop();
  }
});
