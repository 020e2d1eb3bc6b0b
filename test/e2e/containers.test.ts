import { appendFileSync, chmodSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'nats';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { ContainerEngine, noEngine } from '../support/container-engine.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { loadWhile, type Served, statusThat } from '../support/signal-under-load.ts';

const BASE = 'cascade-test-base';
const IMAGE = 'cascadeserve-test';
const MAIN = '/app/dist/actors/main.js';
const BUILD_TIMEOUT_MS = 15 * 60_000;
/** Time for a dozen processes to start on the available cores. */
const PATIENCE = { timeout: 120_000, interval: 500 };
const CLUSTER_TEST_MS = 10 * 60_000;
const QPS = 100;

const reason = noEngine();
if (reason !== undefined) console.info(`skipped, the containers of docker/: ${reason}`);

/** An image built from the checkout, on a base image from Debian's packages, and every role in it. */
describe.skipIf(reason !== undefined)('docker/', () => {
  const deployments = mkdtempSync(join(tmpdir(), 'cascade-containers-'));
  const folder = join(deployments, 'two-hosts');
  let engine: ContainerEngine;
  let environment: Readonly<Record<string, string>>;

  beforeAll(async () => {
    for (const name of ['fashion', 'two-hosts']) cpSync(join('conf', name), join(deployments, name), { recursive: true });
    // By default 1.5 s, which is less than a busy machine may pause a container for.
    appendFileSync(join(folder, 'deployment.yaml'), 'deadline: 30s\n');
    // The containers do not run as root.
    chmodSync(deployments, 0o755);
    environment = {
      NATS_IMAGE: BASE,
      PROMETHEUS_IMAGE: BASE,
      CASCADE_BASE: BASE,
      CASCADE_IMAGE: IMAGE,
      CASCADE_DEPLOYMENTS: deployments,
    };
    engine = await ContainerEngine.start();
    await engine.makeBase(BASE);
    const { compose } = project('compose.yaml');
    await compose('build', 'plan');
    await compose('run', '--rm', '--user', '0', 'plan');
  }, BUILD_TIMEOUT_MS);

  afterAll(async () => {
    await engine?.stop();
    rmSync(deployments, { recursive: true });
  }, BUILD_TIMEOUT_MS);

  /** What one of the compose files needs. */
  function project(file: string, ports: Readonly<Record<string, string>> = {}) {
    const compose = (...args: string[]): Promise<string> =>
      engine.run('docker-compose', ['--project-name', 'cascade-test', '--file', join('docker', file), ...args], {
        ...environment,
        ...ports,
      });
    return {
      compose,
      /** Fails if it fails in the container. */
      inContainer: (service: string, script: string) => compose('exec', '-T', service, 'node', '--eval', script),
      state: async (service: string, field: string): Promise<string> => {
        const container = (await compose('ps', '--quiet', service)).trim();
        return (await engine.run('docker', ['inspect', '--format', `{{.State.${field}}}`, container])).trim();
      },
    };
  }

  async function connectTo(ports: readonly string[]): Promise<Served & { close(): Promise<void> }> {
    const servers = ports.map((port) => `nats://127.0.0.1:${port}`);
    vi.stubEnv('CASCADE_NATS', servers.join());
    const bus = await connectNats({ servers });
    return { bus, deployment: 'two-hosts', folder, close: () => bus.close() };
  }

  const bothReady = (served: Served) =>
    statusThat(served, ({ devices }) => expect(devices.map(({ phase }) => phase)).toEqual(['ready', 'ready']));

  describe('compose.yaml', () => {
    let served: Awaited<ReturnType<typeof connectTo>>;
    let containers: ReturnType<typeof project>;

    beforeAll(async () => {
      const port = String(await freePort());
      containers = project('compose.yaml', { NATS_PORT: port });
      await containers.compose('up', '--detach');
      served = await connectTo([port]);
      await bothReady(served);
    }, BUILD_TIMEOUT_MS);

    afterAll(async () => {
      await served?.close();
      await containers?.compose('down', '--volumes');
    }, BUILD_TIMEOUT_MS);

    test('a stopped host drains: no request is lost', async () => {
      const { compose, state } = containers;
      const report = await loadWhile(folder, QPS, async () => {
        await statusThat(served, ({ qps }) => expect(qps).toBeGreaterThan(QPS / 2));
        await compose('stop', 'host-1');
        await statusThat(served, ({ devices }) => expect(devices.filter(({ phase }) => phase === 'ready')).toHaveLength(1));
        expect(await state('host-1', 'ExitCode')).toBe('0');
        await compose('start', 'host-1');
        await bothReady(served);
      });
      // Not without duplicates: a busy machine may silence a device for so long that its requests also go elsewhere.
      expect(report).toMatchObject({ errors: 0, lost: 0 });
      expect(report.completed).toBeGreaterThan(QPS);
    });

    test('node is process 1, is not root, and has a read-only root file system', async () => {
      const { inContainer } = containers;
      expect(await inContainer('frontend', 'console.log(process.getuid())')).toContain('10001');
      expect(await inContainer('frontend', 'console.log(fs.readFileSync("/proc/1/cmdline", "utf8"))')).toMatch(/^node/);
      await expect(inContainer('frontend', 'fs.writeFileSync("/app/file", "")')).rejects.toThrow('EROFS');
    });

    test('contains only the runtime for this platform', async () => {
      const files = await containers.inContainer(
        'frontend',
        'console.log(fs.readdirSync("/app/node_modules/onnxruntime-node/bin/napi-v6", { recursive: true }).join())',
      );
      expect(files).toContain(`linux/${process.arch}/`);
      expect(files).not.toMatch(/darwin|win32/);
    });

    test('a host in a cpuset of one core cannot use another one, and says so', async () => {
      const host2 = ['serve', '/deployments/two-hosts', '--role', 'host', '--host', 'h2'];
      const run = containers.compose('exec', '-T', 'host-1', 'node', MAIN, ...host2);
      await expect(run).rejects.toThrow(/cores: 1 is not available here/);
    });
  });

  describe('cluster.yaml', () => {
    const names = ['NATS_PORT', 'NATS_PORT_2', 'NATS_PORT_3', 'NATS_ROUTE_PORT', 'NATS_ROUTE_PORT_2', 'NATS_ROUTE_PORT_3'];
    const more = ['GATEWAY_PORT', 'GATEWAY_GRPC_PORT', 'DASHBOARD_PORT', 'PROMETHEUS_PORT'];
    const ports: Record<string, string> = {};
    let served: Awaited<ReturnType<typeof connectTo>>;
    let containers: ReturnType<typeof project>;
    const ask = async (port: string, path: string, body?: unknown): Promise<Response> => {
      const options = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
      return fetch(`http://127.0.0.1:${ports[port]}${path}`, options);
    };

    beforeAll(async () => {
      for (const name of [...names, ...more]) ports[name] = String(await freePort());
      containers = project('cluster.yaml', ports);
      await containers.compose('up', '--detach');
      served = await connectTo(names.slice(0, 3).map((name) => ports[name]));
      await bothReady(served);
    }, BUILD_TIMEOUT_MS);

    afterAll(async () => {
      await served?.close();
      await containers?.compose('down', '--volumes');
    }, BUILD_TIMEOUT_MS);

    test(
      'the gateway answers, and the engine finds it healthy',
      async () => {
        await eventually(async () => expect((await ask('GATEWAY_PORT', '/readyz')).status).toBe(200), PATIENCE);
        const { inputs } = (await (await ask('GATEWAY_PORT', '/v2/models/two-hosts')).json()) as {
          readonly inputs: readonly { readonly name: string; readonly datatype: string; readonly shape: readonly number[] }[];
        };
        const asked = inputs.map(({ name, datatype, shape: [, ...sample] }) => {
          const size = sample.reduce((product, length) => product * length, 1);
          return { name, datatype, shape: [1, ...sample], data: Array.from({ length: size }, () => 0) };
        });
        const answer = await ask('GATEWAY_PORT', '/v2/models/two-hosts/infer', { inputs: asked });
        expect(answer.status).toBe(200);
        expect(await answer.json()).toMatchObject({ model_name: 'two-hosts', outputs: expect.any(Array) });
        await eventually(async () => expect(await containers.state('gateway', 'Health.Status')).toBe('healthy'), PATIENCE);
      },
      CLUSTER_TEST_MS,
    );

    test(
      'the dashboard works, and Prometheus sees both devices up',
      async () => {
        await eventually(async () => {
          expect(await (await ask('DASHBOARD_PORT', '/')).text()).toContain('<html');
          const found = await ask('PROMETHEUS_PORT', '/api/v1/query?query=sum(cascade_device_up)');
          expect(await found.json()).toMatchObject({ data: { result: [{ value: [expect.anything(), '2'] }] } });
        }, PATIENCE);
      },
      CLUSTER_TEST_MS,
    );

    test(
      'any one NATS server and either controller can be killed under load: no request is lost',
      async () => {
        const { compose } = containers;
        const report = await loadWhile(folder, QPS, async () => {
          const loaded = () => statusThat(served, ({ qps }) => expect(qps).toBeGreaterThan(QPS / 2));
          await loaded();
          for (const [nats, controller] of [
            ['nats-1', 'controller-1'],
            ['nats-2', 'controller-2'],
          ]) {
            await compose('kill', nats, controller);
            await loaded();
            await bothReady(served);
            await compose('start', nats, controller);
            await eventually(async () => expect(await inCluster()).toBe(3), PATIENCE);
          }
        });
        // Duplicate answers may come when connections break: the client drops them.
        expect(report.lost).toBe(0);
        expect(report.completed).toBeGreaterThan(QPS);
      },
      CLUSTER_TEST_MS,
    );

    /** The servers that the third one knows, including itself. */
    async function inCluster(): Promise<number> {
      const connection = await connect({ servers: `127.0.0.1:${ports.NATS_PORT_3}` });
      try {
        return connection.info?.connect_urls?.length ?? 1;
      } finally {
        await connection.close();
      }
    }
  });
});
