import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { readPlan } from '../../plans/domain/gear-plan/plan-file.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { runCascade } from '../support/cascade.ts';
import { type ServedFashion, serveFashion } from '../support/fashion.ts';
import { listen } from '../support/listen.ts';
import { expectAllAnswered } from '../support/report-fields.ts';
import { BACK_WITHIN_MS, signalUnderLoad, statusThat } from '../support/signal-under-load.ts';

/** Two device processes that accept requests themselves. */
const NAME = 'indevices';
let served: ServedFashion;

beforeAll(async () => {
  served = await serveFashion(NAME, 'in-devices', { qpsMax: 1_000, ranges: 2 });
  expect(served.firstLine).toMatch(/^cascade indevices is ready: a frontend in each of devices a, b, /);
});

afterAll(() => served?.close());

test('each device process is a frontend, too', async () => {
  const { devices, frontends } = await statusThat(served, (status) => expect(status.frontends).toHaveLength(2));
  expect(frontends.map(({ pid }) => pid).sort()).toEqual(devices.map(({ pid }) => pid).sort());
});

test('requests from a frontend to the device in its process do not go through the server', async () => {
  await statusThat(served, (status) => expect(status.frontends).toHaveLength(2));
  const { root } = subjectsOf(NAME);
  const [{ model }] = readPlan(join(served.folder, 'plan.json')).gears[0].cascade;
  const work = await listen(served.bus, `${root}.work.*.${model}`);
  const asked = 200;
  for (let i = 0; i < asked; i++) {
    const { data } = await served.bus.request(
      `${root}.infer`,
      Buffer.from(JSON.stringify({ inputs: { image: Array(784).fill(0) } })),
      {
        timeoutMs: 30_000,
      },
    );
    expect(JSON.parse(Buffer.from(data).toString())).toHaveProperty('label');
  }
  await served.bus.flush();
  // About half of them go to the other device.
  expect(work.messages.length).toBeGreaterThan(0);
  expect(work.messages.length).toBeLessThan(asked);
});

// A stopped process makes no progress, so its supervisor kills it; the client library resends its requests.
test.each(['SIGTERM', 'SIGKILL', 'SIGSTOP'] as const)(
  '%s to such a process under load: every request is answered, and it comes back',
  async (signal) => {
    const before = await statusThat(served, (status) => expect(status.frontends).toHaveLength(2));
    const { pid } = before.devices[0];
    const report = await signalUnderLoad(served, pid, signal, (status) => {
      expect(status.devices.filter(({ phase }) => phase === 'ready')).toHaveLength(2);
      expect(status.frontends).toHaveLength(2);
      expect(status.frontends.map((frontend) => frontend.pid)).not.toContain(pid);
    });
    expectAllAnswered(report);
  },
  3 * BACK_WITHIN_MS,
);

test('a frontend that cannot do what the deployment asks ends its device process, with the reason', async () => {
  appendFileSync(join(served.folder, 'deployment.yaml'), 'durable: {}\n');
  // Its own server: the other one serves the devices.
  const server = await startNatsServer();
  try {
    const { code, stderr } = await runCascade(['serve', served.folder, '--nats', server.url, '--log-level', 'error']);
    expect(code, stderr).toBe(2);
    expect(stderr).toMatch(/durable: the NATS server has no JetStream/);
  } finally {
    await server.stop();
  }
});
