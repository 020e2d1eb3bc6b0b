import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type CascadeClient, connectCascade } from '../../actors/client/client.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import type { Profile } from '../../plans/domain/profile/profile.ts';
import { type Cascade, runCascade, startCascade } from '../support/cascade.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { credentialsOf, PASSWORDS, type Role } from '../support/roles.ts';
import { Traffic } from '../support/traffic.ts';
import { answeredBy, expectAllEndedOnce, QPS, statusOf, writePair } from '../support/two-hosts.ts';

/**
 * The shipped conf/nats/cluster.conf as three real servers, with our processes on different ones, each role with its own
 * credentials from the environment.
 */
const PATIENCE = { timeout: 60_000 };
const CLUSTER_ATTEMPTS = 8;
const folder = mkdtempSync(join(tmpdir(), 'cascade-hosts-'));
const servers: NatsServer[] = [];
const running: Cascade[] = [];
let profile: Profile;
let operator: Bus;
let client: CascadeClient;
let traffic: Traffic;
let h2: Cascade;

/** Servers that dial each other at the same moment may both hang up, and never agree on a leader (2.9.10); then retry. */
async function startCluster(): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const ports = [await freePort(), await freePort(), await freePort()];
    for (const [i, port] of ports.entries()) vi.stubEnv(`CASCADE_ROUTE_${i + 1}`, `nats-route://127.0.0.1:${port}`);
    for (const [i, port] of ports.entries()) {
      vi.stubEnv('CASCADE_SERVER_NAME', `n${i + 1}`);
      vi.stubEnv('CASCADE_CLUSTER_LISTEN', `127.0.0.1:${port}`);
      vi.stubEnv('CASCADE_STORE_DIR', join(folder, `${attempt}-n${i + 1}`));
      servers.push(await startNatsServer({ configFile: 'conf/nats/cluster.conf' }));
    }
    const internal = await connectNats({ servers: servers[0].url, ...credentialsOf('internal'), replicas: 3 });
    try {
      await eventually(() => internal.keyValue('are_we_there'), { timeout: 12_000 });
      return;
    } catch (error) {
      if (attempt === CLUSTER_ATTEMPTS) throw error;
      for (const server of servers.splice(0)) await server.stop();
    } finally {
      await internal.close();
    }
  }
}

beforeAll(async () => {
  for (const [name, value] of Object.entries(PASSWORDS)) vi.stubEnv(name, value);
  await startCluster();
  profile = await writePair(
    folder,
    `{ user: "\${PAIR_ROLE}", password: "\${PAIR_PASSWORD}", inboxPrefix: "\${PAIR_INBOX}", replicas: 3 }`,
  );
  operator = await connectNats({ servers: servers[1].url, ...credentialsOf('operator') });
  client = await connectCascade({ servers: servers[2].url, ...credentialsOf('client'), deployment: 'pair' });
  serve(0, ['--role', 'controller']);
  serve(0, ['--role', 'host', '--host', 'h1']);
  serve(1, ['--role', 'frontend']);
  await eventually(async () => expect((await statusOf(operator))?.frontends).toHaveLength(1), PATIENCE);
  await eventually(async () => expect(await answeredBy(operator, 'a')).toBe(0), PATIENCE);
  traffic = new Traffic(client, profile, QPS);
});

afterAll(async () => {
  await traffic?.stop();
  const ends = await Promise.all(running.map((cascade) => cascade.stop()));
  await client?.close();
  await operator?.close();
  for (const server of servers) await server.stop();
  rmSync(folder, { recursive: true, force: true });
  vi.unstubAllEnvs();
  for (const { code, stderr } of ends) expect(code, stderr).toBe(0);
});

function environmentOf(role: Role): Record<string, string> {
  const { user, password, inboxPrefix } = credentialsOf(role);
  return { PAIR_ROLE: user, PAIR_PASSWORD: password, PAIR_INBOX: inboxPrefix };
}

function serve(server: number, role: readonly string[]): Cascade {
  const args = ['serve', folder, ...role, '--nats', servers[server].url, '--log-level', 'warn'];
  const cascade = startCascade(args, { env: environmentOf('internal') });
  running.push(cascade);
  return cascade;
}

async function expectHealthy(): Promise<void> {
  traffic.forget();
  await eventually(() => expect(traffic.healthy).toBe(true), PATIENCE);
}

test('one host serves alone; a late joiner takes its share', { timeout: 180_000 }, async () => {
  await expectHealthy();
  expect((await statusOf(operator))?.missing).toEqual(['b']);
  h2 = serve(2, ['--role', 'host', '--host', 'h2']);
  await h2.firstLine;
  await eventually(async () => expect(await answeredBy(operator, 'b')).toBeGreaterThan(0), PATIENCE);
  await expectHealthy();
});

test('a host leaves, and comes back', { timeout: 180_000 }, async () => {
  const { code, stderr } = await h2.stop();
  expect(code, stderr).toBe(0);
  running.splice(running.indexOf(h2), 1);
  await eventually(async () => expect((await statusOf(operator))?.missing).toEqual(['b']), PATIENCE);
  await expectHealthy();
  h2 = serve(2, ['--role', 'host', '--host', 'h2']);
  await eventually(async () => expect(await answeredBy(operator, 'b')).toBeGreaterThan(0), PATIENCE);
  await expectHealthy();
});

test('commands connect with their own credentials from the environment', { timeout: 180_000 }, async () => {
  const status = await runCascade(['status', folder, '--nats', servers[1].url], { env: environmentOf('operator') });
  expect(status.code, status.stderr).toBe(0);
  const load = ['load', folder, '--nats', servers[2].url, '--qps', '20', '--seconds', '2', '--json', '-'];
  const end = await runCascade(load, { env: environmentOf('client') });
  expect(end.code, end.stderr).toBe(0);
  expect(JSON.parse(end.stdout)).toMatchObject({ errors: 0, rejected: 0, lost: 0, gearSwitches: null });
  const nameless = await runCascade(['status', folder, '--nats', servers[1].url]);
  expect(nameless.code).toBe(2);
  expect(nameless.stderr).toContain('nats.user: the environment variable PAIR_ROLE is not set');
});

test('a NATS server is killed under load: its processes move to the others, and each request ends once', {
  timeout: 240_000,
}, async () => {
  servers[0].kill('SIGKILL');
  await servers[0].exited;
  await expectHealthy();
  await eventually(async () => expect((await statusOf(operator))?.missing).toEqual([]), PATIENCE);
  await eventually(async () => expect((await statusOf(operator))?.controller.leading).toBe(true), PATIENCE);
  const before = (await answeredBy(operator, 'a')) ?? 0;
  await eventually(async () => expect(await answeredBy(operator, 'a')).toBeGreaterThan(before), PATIENCE);
  await traffic.stop();
  expectAllEndedOnce(traffic);
  // The client resends requests lost with the server, and gets an answer within the deadline.
  expect([...traffic.failures]).toEqual([]);
  expect(traffic.results).toBe(traffic.offered);
});
