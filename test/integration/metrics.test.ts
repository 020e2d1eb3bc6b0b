import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type NatsConnection } from 'nats';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { metricsActor } from '../../actors/metrics/metrics.ts';
import { type RunningActor, startActor } from '../../engine/actor/actor.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { realClock } from '../../engine/clock.ts';
import { silentLogger } from '../../engine/log.ts';
import { encode } from '../../plans/protocol/codec.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { startCommand } from '../support/cascade.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { type Plane, startPlane } from '../support/plane.ts';
import { planOf } from '../support/plans.ts';
import { findProgram } from '../support/programs.ts';

/** The actors over a real nats-server, an exporter, and a real Prometheus that scrapes it. */
const REQUESTS = 50;
let server: NatsServer;
let bus: Bus;
let client: NatsConnection;
let plane: Plane;
let metrics: RunningActor;
let url: string;

beforeAll(async () => {
  server = await startNatsServer();
  bus = await connectNats({ servers: server.url });
  client = await connect({ servers: server.url });
  const serving = new Promise<void>((resolve) => {
    plane = startPlane(bus, realClock, planOf({ models: ['small', 'large'] }), { frontend: { onReady: resolve } });
  });
  const listening = new Promise<string>((resolve) => {
    const observed = {
      name: 'test',
      version: '0',
      devices: ['d0', 'd9'],
      slo: { type: 'latency', p95Ms: 100 },
      qpsMax: 100,
    } as const;
    const options = { subjects: subjectsOf('test'), observed, address: { host: '127.0.0.1', port: 0 }, onReady: resolve };
    metrics = startActor(metricsActor(options), { bus, clock: realClock, log: silentLogger });
  });
  url = await listening;
  await serving;
  // What a frontend has counted when it is first heard is not counted, as if it had been running before.
  await eventually(async () => expect((await scrape()).get('cascade_frontends')).toBe(1));
  // The small model is certain of half of them; one request is invalid.
  const answers = Array.from({ length: REQUESTS }, (_, i) =>
    client.request('cascade.test.infer', encode({ inputs: { x: Uint8Array.of(1, i % 2 === 0 ? 90 : 10, 90) } })),
  );
  await Promise.all([...answers, client.request('cascade.test.infer', encode({ inputs: {} }))]);
});

afterAll(async () => {
  for (const actor of [metrics, ...plane.frontends, ...plane.devices.values(), plane.keeper, plane.controller])
    await actor.stop(5_000);
  await client.close();
  await bus.close();
  await server.stop();
});

/** Series -> value. */
async function scrape(): Promise<Map<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]));
}

test('each answer is counted once, with its model, exit and time', async () => {
  const metrics = await eventually(async () => {
    const now = await scrape();
    expect(now.get('cascade_answers_total{device="d0",model="small",gear="0",exit="certain"}')).toBe(REQUESTS / 2);
    expect(now.get('cascade_answers_total{device="d0",model="large",gear="0",exit="last"}')).toBe(REQUESTS / 2);
    return now;
  });
  expect(metrics.get('cascade_request_duration_seconds_count{device="d0",model="large"}')).toBe(REQUESTS / 2);
  // All of them went through the small model.
  expect(metrics.get('cascade_batch_size_requests_sum{device="d0",model="small"}')).toBe(REQUESTS);
  expect(metrics.get('cascade_requests_total')).toBe(REQUESTS);
  expect(metrics.get('cascade_device_up{device="d0"}')).toBe(1);
  expect(metrics.get('cascade_device_up{device="d9"}')).toBe(0);
  expect(metrics.get('cascade_plan_revision')).toBe(1);
  const refused = 'cascade_unserved_requests_total{role="frontend",kind="refused",reason="invalid",code="INVALID_ARGUMENT"}';
  expect(metrics.get(refused)).toBe(1);
});

test('tells clients that ask for something else where the metrics are', async () => {
  const response = await fetch(`${url}/metric`);
  expect(response.status).toBe(404);
  expect(await response.text()).toContain('/metrics');
});

test.skipIf(!findProgram('prometheus'))(
  'a real Prometheus scrapes it, with the configuration and alerts in docker/',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cascade-prometheus-'));
    const port = await freePort();
    const configuration = readFileSync('docker/prometheus/prometheus.yml', 'utf8')
      .replace('127.0.0.1:9464', new URL(url).host)
      .replaceAll('5s', '200ms')
      .replace('alerts.yml', `${process.cwd()}/docker/prometheus/alerts.yml`);
    writeFileSync(join(folder, 'prometheus.yml'), configuration);
    const prometheus = startCommand('prometheus', [
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ]);
    try {
      const query = async (expression: string): Promise<{ metric: Record<string, string>; value: [number, string] }[]> => {
        const response = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(expression)}`);
        return ((await response.json()) as { data: { result: [] } }).data.result;
      };
      await eventually(async () => {
        expect(await query('up{job="cascade"}')).toMatchObject([{ value: [expect.anything(), '1'] }]);
        const answers = await query('sum(cascade_answers_total)');
        expect(answers).toMatchObject([{ value: [expect.anything(), String(REQUESTS)] }]);
        const median = 'histogram_quantile(0.5, sum by (le) (cascade_request_duration_seconds_bucket))';
        expect(Number((await query(median))[0].value[1])).toBeGreaterThan(0);
      });
      await eventually(async () => {
        const response = await fetch(`http://127.0.0.1:${port}/api/v1/rules?type=alert`);
        const { data } = (await response.json()) as {
          data: { groups: { rules: { name: string; health: string; state: string }[] }[] };
        };
        const rules = data.groups.flatMap((group) => group.rules);
        expect(rules.length).toBeGreaterThan(10);
        for (const { name, health } of rules) expect(health, name).toBe('ok');
        // d9 is in the deployment but has never sent a heartbeat.
        expect(rules.find(({ name }) => name === 'CascadeDeviceDown')?.state).toBe('pending');
      });
      // Prometheus understands the query of each dashboard panel.
      const { panels } = JSON.parse(readFileSync('docker/grafana/cascade.json', 'utf8')) as {
        panels: { targets: { expr: string }[] }[];
      };
      for (const { expr } of panels.flatMap(({ targets }) => targets)) {
        const asked = encodeURIComponent(expr.replaceAll('$job', 'cascade'));
        const { status } = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${asked}`);
        expect(status, expr).toBe(200);
      }
    } finally {
      await prometheus.stop();
      rmSync(folder, { recursive: true });
    }
  },
);
