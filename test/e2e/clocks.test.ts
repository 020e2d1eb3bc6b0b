import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { connectCascade } from '../../actors/client/client.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { type Answer, isFailure } from '../../plans/protocol/messages.ts';
import { profileAndPlan, startCascade } from '../support/cascade.ts';

const PATIENT = { timeout: 60_000, interval: 50 };
const REQUESTS = 50;
/** A library that shows a process another time; undefined if it is not installed. */
function fakeTime(): string | undefined {
  return readdirSync('/usr/lib')
    .map((folder) => join('/usr/lib', folder, 'faketime/libfaketimeMT.so.1'))
    .find((file) => existsSync(file));
}

/** Processes that see another time than the rest; the durable ingress is in the frontend process. */
const SETTINGS = [
  { who: 'all', first: '+1h', later: '-1h' },
  { who: 'all', first: '-1h', later: '+1h' },
  { who: 'controller', first: '+1h', later: '-1h' },
  { who: 'controller', first: '-1h', later: '+1h' },
  { who: 'frontend', first: '+1h', later: '-1h' },
  { who: 'frontend', first: '-1h', later: '+1h' },
  { who: 'host', first: '+1h', later: '-1h' },
  { who: 'host', first: '-1h', later: '+1h' },
] as const;
const ROLES = [['controller'], ['frontend'], ['host', '--host', 'local']] as const;

const library = fakeTime();

describe.skipIf(library === undefined)('clocks that are wrong, and are changed meanwhile', () => {
  let folder: string;
  let server: NatsServer;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cascade-clocks-'));
    server = await startNatsServer({ jetstream: true });
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
  });

  afterAll(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  test.each(SETTINGS)('no request fails if the clock of $who is $first, and is set to $later', async ({ who, first, later }) => {
    const clockFile = join(folder, 'clock');
    writeFileSync(clockFile, `${first}\n`);
    const env = {
      LD_PRELOAD: library ?? '',
      FAKETIME_TIMESTAMP_FILE: clockFile,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    };
    const serving =
      who === 'all'
        ? [startCascade(['serve', folder], { env })]
        : ROLES.map((role) => startCascade(['serve', folder, '--role', ...role], role[0] === who ? { env } : {}));
    const client = await connectCascade({ servers: server.url, deployment: 'clocks' });
    try {
      // Roles are up when requests are answered and stored ones are accepted.
      const warmUp = { id: `${who}-${first}`, results: 'warm-up' };
      await vi.waitFor(() => client.infer({ sample: Int32Array.of(0) }), PATIENT);
      await vi.waitFor(() => client.enqueue({ sample: Int32Array.of(0) }, warmUp), PATIENT);
      const answers: Answer[] = [];
      client.results$().subscribe((answer) => answers.push(answer));
      const ask = async (offset: number): Promise<void> => {
        const inputs = (i: number) => ({ sample: Int32Array.of(i) });
        const plain = Array.from({ length: REQUESTS }, (_, i) => client.infer(inputs(i), { deadlineMs: 20_000 }));
        const stored = Array.from({ length: REQUESTS }, (_, i) =>
          client.enqueue(inputs(i), { id: `${who}-${first}-${offset + i}`, deadlineMs: 20_000 }),
        );
        await Promise.all([...plain, ...stored]);
        await vi.waitFor(() => expect(answers).toHaveLength(offset + REQUESTS), PATIENT);
        expect(answers.filter(isFailure)).toEqual([]);
      };
      await ask(0);
      writeFileSync(clockFile, `${later}\n`);
      await ask(REQUESTS);
    } finally {
      await client.close();
      await Promise.all(serving.map((each) => each.stop()));
    }
  });
});
