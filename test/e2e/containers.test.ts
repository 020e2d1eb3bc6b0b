import { chmodSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { ContainerEngine, noEngine } from '../support/container-engine.ts';
import { freePort } from '../support/free-port.ts';
import { loadWhile, type Served, statusThat } from '../support/signal-under-load.ts';

const BASE = 'cascade-test-base';
const IMAGE = 'cascadeserve-test';
const COMPOSE = ['--project-name', 'cascade-test', '--file', 'docker/compose.yaml'];
const BUILD_TIMEOUT_MS = 15 * 60_000;
const QPS = 100;

const reason = noEngine();
if (reason !== undefined) console.info(`skipped, the containers of docker/: ${reason}`);

/** What compose.yaml asks for: an image that is built from the checkout, on a base image of Debian's packages, and every role in it. */
describe.skipIf(reason !== undefined)('docker/', () => {
  const deployments = mkdtempSync(join(tmpdir(), 'cascade-containers-'));
  const folder = join(deployments, 'two-hosts');
  let engine: ContainerEngine;
  let served: Served & { close(): Promise<void> };
  let environment: Readonly<Record<string, string>>;

  const compose = (...args: string[]): Promise<string> => engine.run('docker-compose', [...COMPOSE, ...args], environment);
  /** Fails where it fails in the container. */
  const inContainer = (service: string, script: string): Promise<string> =>
    compose('exec', '-T', service, 'node', '--eval', script);
  const exitCode = async (service: string): Promise<string> => {
    const container = (await compose('ps', '--quiet', service)).trim();
    return (await engine.run('docker', ['inspect', '--format', '{{.State.ExitCode}}', container])).trim();
  };

  beforeAll(async () => {
    for (const name of ['fashion', 'two-hosts']) cpSync(join('conf', name), join(deployments, name), { recursive: true });
    // The containers do not run as root.
    chmodSync(deployments, 0o755);
    const port = await freePort();
    environment = {
      NATS_PORT: String(port),
      NATS_IMAGE: BASE,
      CASCADE_BASE: BASE,
      CASCADE_IMAGE: IMAGE,
      CASCADE_DEPLOYMENTS: deployments,
    };
    engine = await ContainerEngine.start();
    await engine.makeBase(BASE);
    await compose('build');
    await compose('run', '--rm', '--user', '0', 'plan');
    await compose('up', '--detach');
    const servers = `nats://127.0.0.1:${port}`;
    vi.stubEnv('CASCADE_NATS', servers);
    const bus = await connectNats({ servers });
    served = { bus, deployment: 'two-hosts', folder, close: () => bus.close() };
    await statusThat(served, ({ devices }) => expect(devices.map(({ phase }) => phase)).toEqual(['ready', 'ready']));
  }, BUILD_TIMEOUT_MS);

  afterAll(async () => {
    await served?.close();
    if (engine !== undefined) {
      await compose('down', '--volumes');
      await engine.stop();
    }
    rmSync(deployments, { recursive: true });
  }, BUILD_TIMEOUT_MS);

  test('a host that is stopped drains: no request is lost', async () => {
    const report = await loadWhile(folder, QPS, async () => {
      await statusThat(served, ({ qps }) => expect(qps).toBeGreaterThan(QPS / 2));
      await compose('stop', 'host-1');
      await statusThat(served, ({ devices }) => expect(devices.filter(({ phase }) => phase === 'ready')).toHaveLength(1));
      expect(await exitCode('host-1')).toBe('0');
      await compose('start', 'host-1');
      await statusThat(served, ({ devices }) => expect(devices.map(({ phase }) => phase)).toEqual(['ready', 'ready']));
    });
    expect(report).toMatchObject({ errors: 0, lost: 0, duplicates: 0 });
    expect(report.completed).toBeGreaterThan(QPS);
  });

  test('node is process 1, not root, on a root file system that is read-only', async () => {
    expect(await inContainer('frontend', 'console.log(process.getuid())')).toContain('10001');
    expect(await inContainer('frontend', 'console.log(fs.readFileSync("/proc/1/cmdline", "utf8"))')).toMatch(/^node/);
    await expect(inContainer('frontend', 'fs.writeFileSync("/app/file", "")')).rejects.toThrow('EROFS');
  });

  test('holds the runtime of this platform only', async () => {
    const files = await inContainer(
      'frontend',
      'console.log(fs.readdirSync("/app/node_modules/onnxruntime-node/bin/napi-v6", { recursive: true }).join())',
    );
    expect(files).toContain(`linux/${process.arch}/`);
    expect(files).not.toMatch(/darwin|win32/);
  });

  test('a host in a cpuset of one core may not use another one, and says so', async () => {
    const host2 = ['serve', '/deployments/two-hosts', '--role', 'host', '--host', 'h2'];
    const run = compose('exec', '-T', 'host-1', 'node', '/app/dist/actors/main.js', ...host2);
    await expect(run).rejects.toThrow(/cores: 1 is not available here/);
  });
});
