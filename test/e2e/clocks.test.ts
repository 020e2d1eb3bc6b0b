import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { connectCascade } from '../../actors/client/client.ts';
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { type Answer, isFailure } from '../../plans/protocol/messages.ts';
import { profileAndPlan, startCascade } from '../support/cascade.ts';

const PATIENT = { timeout: 60_000, interval: 50 };
const REQUESTS = 50;
const closing: (() => Promise<unknown> | undefined)[] = [];

afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

/** A library that shows a process another time; undefined where it is not there and cannot be installed. */
function fakeTime(): string | undefined {
  const installed = (): string | undefined =>
    readdirSync('/usr/lib')
      .map((folder) => join('/usr/lib', folder, 'faketime/libfaketimeMT.so.1'))
      .find((file) => existsSync(file));
  if (installed() === undefined && process.getuid?.() === 0)
    spawnSync('apt-get', ['install', '-y', '-q', 'faketime'], { stdio: 'ignore', timeout: 120_000 });
  return installed();
}

test('no request fails where the clock of the deployment is an hour ahead, and is set two hours back meanwhile', async (context) => {
  const library = fakeTime();
  if (library === undefined) return context.skip('the package faketime is not there, and cannot be installed');
  const folder = mkdtempSync(join(tmpdir(), 'cascade-clocks-'));
  closing.push(async () => rmSync(folder, { recursive: true }));
  const server = await startNatsServer({ jetstream: true });
  closing.push(() => server.stop());
  writeFileSync(
    join(folder, 'deployment.yaml'),
    `name: clocks
synthetic:
  models: [ { name: only, accuracy: 1, fixed: 5ms, perSample: 1ms, memory: 1GB } ]
  samples: 100
  classes: 10
  batches: [1, 2, 4, 8]
devices:
  - { id: a, kind: emulated, like: gpu, memory: 4GB }
  - { id: b, kind: emulated, like: gpu, memory: 4GB }
slo: { p95: 500ms }
load: { qpsMax: 100, ranges: 1 }
deadline: 20s
durable: { storage: memory }
nats: { servers: [${server.url}] }
`,
  );
  await profileAndPlan(folder);
  const clockFile = join(folder, 'clock');
  writeFileSync(clockFile, '+1h\n');
  const env = {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: clockFile,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
  const serving = startCascade(['serve', folder], { env });
  closing.push(() => serving.stop());
  await serving.firstLine;
  const client = await connectCascade({ servers: server.url, deployment: 'clocks' });
  closing.push(() => client.close());
  const answers: Answer[] = [];
  client.results$().subscribe((answer) => answers.push(answer));
  const ask = async (offset: number): Promise<void> => {
    const inputs = (i: number) => ({ sample: Int32Array.of(i) });
    const plain = Array.from({ length: REQUESTS }, (_, i) => client.infer(inputs(i), { deadlineMs: 20_000 }));
    const stored = Array.from({ length: REQUESTS }, (_, i) =>
      client.enqueue(inputs(i), { id: `${offset + i}`, deadlineMs: 20_000 }),
    );
    await Promise.all([...plain, ...stored]);
    await vi.waitFor(() => expect(answers).toHaveLength(offset + REQUESTS), PATIENT);
    expect(answers.filter(isFailure)).toEqual([]);
  };
  await ask(0);
  writeFileSync(clockFile, '-1h\n');
  await ask(REQUESTS);
}, 180_000);
