import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type CascadeClient, connectCascade } from '../../actors/client/client.ts';
import type { Status } from '../../actors/controller/status-report.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import type { Result } from '../../plans/protocol/messages.ts';
import { npyFile } from '../fixtures/npy-writer.ts';
import { onnxModel } from '../fixtures/onnx-writer.ts';
import { type Cascade, cascadeJson, runCascade, startCascade } from '../support/cascade.ts';

/** Real processes; the scores of the only model show which weights file it has. */
let folder: string;
let server: NatsServer;
let serving: Cascade;
let client: CascadeClient;
/** The outcomes of the requests so far. */
const answers: Result[] = [];
let sent = 0;
/** The revision in force. */
let latest = 1;

const CLASSES = 3;
const SAMPLES = 90;
const OLD = 5;
const NEW = 15;
const STRAY = 7;
const SOON = { timeout: 60_000, interval: 50 };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cascade-new-weights-'));
  server = await startNatsServer({ jetstream: true });
  writeFileSync(
    join(folder, 'a.onnx'),
    onnxModel({
      inputs: [{ name: 'x', type: 'float32', shape: ['batch', CLASSES] }],
      outputs: [{ name: 'scores', type: 'float32', shape: ['batch', CLASSES] }],
      weights: [{ name: 'w', dims: [CLASSES, CLASSES], data: new Float32Array(), external: { location: 'a.data' } }],
      nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['scores'] }],
    }),
  );
  writeWeights(OLD);
  const labels = Int32Array.from({ length: SAMPLES }, (_, i) => i % CLASSES);
  const samples = Float32Array.from({ length: SAMPLES * CLASSES }, (_, i) =>
    Number(i % CLASSES === labels[Math.floor(i / CLASSES)]),
  );
  writeFileSync(join(folder, 'x.npy'), npyFile([SAMPLES, CLASSES], samples));
  writeFileSync(join(folder, 'y.npy'), npyFile([SAMPLES], labels));
  writeFileSync(
    join(folder, 'deployment.yaml'),
    `name: renewed
models: [ { name: a, file: a.onnx, maxBatch: 8 } ]
data: { inputs: { x: x.npy }, labels: y.npy }
devices: [ { id: one, kind: cpu, memory: 512MiB }, { id: two, kind: cpu, memory: 512MiB } ]
slo: { p95: 500ms }
deadline: 60s
load: { qpsMax: 200, ranges: 1 }
nats: { servers: ["${server.url}"] }
`,
  );
  await cascade('profile', folder, '--quick');
  await cascade('plan', folder);
  serving = startCascade(['serve', folder, '--log-level', 'warn']);
  await serving.firstLine;
  client = await connectCascade({ servers: server.url, deployment: 'renewed', deadlineMs: 60_000 });
});

afterAll(async () => {
  await client?.close();
  const end = await serving?.stop();
  await server?.stop();
  rmSync(folder, { recursive: true });
  expect(end?.code, end?.stderr).toBe(0);
});

/** Overwrites the file in place, like `cp`. */
function writeWeights(value: number): void {
  const weights = Float32Array.from({ length: CLASSES * CLASSES }, (_, i) => (i % (CLASSES + 1) === 0 ? value : 0));
  writeFileSync(join(folder, 'a.data'), new Uint8Array(weights.buffer));
}

async function cascade(...args: readonly string[]): Promise<void> {
  const end = await runCascade(args);
  expect(end.code, end.stderr).toBe(0);
}

/**
 * Pushes a plan. A busy machine may delay a device's heartbeats for a second: then no plan is adopted without the device.
 * @returns the revision.
 */
async function push(...args: readonly string[]): Promise<number> {
  return vi.waitFor(async () => {
    const end = await runCascade(['push-plan', folder, ...args]);
    if (!/silent for|was restarted|is not available/.test(end.stderr)) expect(end.stderr).toBe('');
    return Number(/^plan adopted as revision (\d+)$/m.exec(end.stdout)![1]);
  }, SOON);
}

/** The plan for the current files. */
async function pushFiles(): Promise<number> {
  await cascade('profile', folder, '--quick');
  await cascade('plan', folder);
  return push(join(folder, 'plan.json'));
}

const status = (): Promise<Status> => cascadeJson<Status>(['status', folder]);

/** The `revision: weights` of the answers from one on. */
function given(from = 0): Set<string> {
  return new Set(answers.slice(from).map(({ revision, scores }) => `${revision}: ${scores?.[0]}`));
}

/** Several senders, each with one request at a time, until something is done. No request fails. */
async function underLoad<T>(work: () => Promise<T>): Promise<T> {
  let done = false;
  const sender = async (): Promise<void> => {
    while (!done) {
      sent++;
      answers.push(await client.infer({ x: [1, 0, 0] }, { scores: true }));
    }
  };
  const senders = Array.from({ length: 4 }, sender);
  try {
    return await work();
  } finally {
    done = true;
    await Promise.all(senders);
    expect(answers).toHaveLength(sent);
  }
}

/** Kills the process of a device, and waits until another has taken its place. */
async function restarted(device: string): Promise<Status['devices'][number]> {
  const find = async () => (await status()).devices.find((each) => each.device === device);
  const { pid } = (await find())!;
  process.kill(pid, 'SIGKILL');
  return vi.waitFor(async () => {
    const found = await find();
    expect(found).toMatchObject({ phase: 'ready', pid: expect.not.toSatisfy((other: number) => other === pid) });
    return found!;
  }, SOON);
}

test('plans bring new weights and the old ones back while the deployment runs: nothing is lost, and no answer comes from other weights', async () => {
  const expected = new Set([`1: ${OLD}`]);
  const inForce = async (revision: number, weights: number): Promise<void> => {
    expected.add(`${revision}: ${weights}`);
    await vi.waitFor(() => expect(answers.at(-1)?.revision).toBe(revision), SOON);
  };
  await underLoad(async () => {
    writeWeights(NEW);
    await inForce(await pushFiles(), NEW);
    await inForce(await push('--rollback', '1'), OLD);
    latest = await push(join(folder, 'plan.json'));
    await inForce(latest, NEW);
  });
  expect(given()).toEqual(expected);
});

test('a device killed after its model file was replaced keeps serving the weights of the plan in force', async () => {
  const before = answers.length;
  writeWeights(STRAY);
  await underLoad(async () => {
    expect((await restarted('one')).missingWeights).toBeUndefined();
    await vi.waitFor(async () => {
      const one = (await status()).devices.find(({ device }) => device === 'one');
      expect(one?.answered.a).toBeGreaterThan(0);
    }, SOON);
  });
  expect(given(before)).toEqual(new Set([`${latest}: ${NEW}`]));
});

test('a plan with missing weights is rejected with model, file and digests, and the old one stays', async () => {
  rmSync(join(folder, '.cascade'), { recursive: true });
  const before = answers.length;
  await underLoad(async () => {
    const pushed = await runCascade(['push-plan', folder, '--rollback', '1']);
    expect(pushed.code).toBe(1);
    expect(pushed.stderr).toMatch(
      /plan rejected: the plan names weights of model a with digest [0-9a-f]{8}, but .*a\.onnx has digest [0-9a-f]{8}, and .* has no copy of them/,
    );
  });
  expect(given(before)).toEqual(new Set([`${latest}: ${NEW}`]));
});

test('a device without its weights says so, while the others serve, until a plan names weights that exist', async () => {
  const before = answers.length;
  await underLoad(async () => {
    expect(await restarted('two')).toMatchObject({
      missingWeights: { a: expect.stringMatching(/^the plan names weights of model a with digest/) },
      queues: {},
    });
  });
  expect(given(before)).toEqual(new Set([`${latest}: ${NEW}`]));
  expect((await runCascade(['status', folder])).stdout).toContain('model missing: the plan names weights of model a');
  expect(serving.stderr()).toMatch(/model missing: its weights cannot be found/);
  await underLoad(async () => {
    await pushFiles();
  });
  const { devices } = await status();
  expect(devices.map(({ missingWeights, queues }) => [missingWeights, Object.keys(queues)])).toEqual([
    [undefined, ['a']],
    [undefined, ['a']],
  ]);
});

test("`serve` warns if the files are not the plan's", async () => {
  writeWeights(OLD);
  rmSync(join(folder, '.cascade'), { recursive: true });
  const end = await serving.stop();
  expect(end.code, end.stderr).toBe(0);
  const again = await runCascade(['serve', folder]);
  expect([again.code, again.stderr]).toEqual([2, expect.stringMatching(/the plan names weights of model a with digest/)]);
  writeWeights(STRAY);
  serving = startCascade(['serve', folder, '--log-level', 'warn']);
  await serving.firstLine;
});
