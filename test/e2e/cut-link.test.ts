import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CascadeClient, connectCascade } from '../../actors/client/client.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { findNatsServer } from '../../engine/bus/nats-server.ts';
import type { Profile } from '../../plans/domain/profile/profile.ts';
import { type Cascade, COMMAND, startCascade, startCommand } from '../support/cascade.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { type FarHost, makeFarHost, whyNoNamespaces } from '../support/namespaces.ts';
import { Traffic } from '../support/traffic.ts';
import { answeredBy, expectAllEndedOnce, QPS, statusOf, writePair } from '../support/two-hosts.ts';

/** Two hosts in network namespaces: a cut link gives no sign, unlike a process that dies. */
const why = whyNoNamespaces();
if (why !== undefined) process.stderr.write(`two hosts with a cut link: skipped, no network namespaces here (${why})\n`);

const PATIENCE = { timeout: 60_000 };

describe.skipIf(why !== undefined)('two hosts in network namespaces', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cascade-link-'));
  const hosts: FarHost[] = [];
  const running: Cascade[] = [];
  let server: Cascade;
  let profile: Profile;
  let operator: Bus;
  let client: CascadeClient;
  let traffic: Traffic;

  beforeAll(async () => {
    hosts.push(makeFarHost(1), makeFarHost(2));
    const port = await freePort();
    const local = `nats://127.0.0.1:${port}`;
    // On all addresses: each host connects through its own.
    server = startCommand(await findNatsServer(), ['-a', '0.0.0.0', '-p', String(port), '-js', '-sd', join(folder, 'store')]);
    await eventually(() => accepts(port), PATIENCE);
    profile = await writePair(folder, `{ servers: ["${local}"] }`);
    for (const role of ['controller', 'frontend'])
      running.push(startCascade(['serve', folder, '--role', role, '--log-level', 'warn']));
    for (const [i, host] of hosts.entries()) {
      const args = ['serve', folder, '--role', 'host', '--host', `h${i + 1}`, '--log-level', 'warn'];
      const [program, ...rest] = [...host.prefix, process.execPath, COMMAND, ...args];
      running.push(startCommand(program, [...rest, '--nats', `nats://${host.ourAddress}:${port}`]));
    }
    operator = await connectNats({ servers: local });
    client = await connectCascade({ servers: local, deployment: 'pair' });
    for (const device of ['a', 'b'])
      await eventually(async () => expect(await answeredBy(operator, device)).toBeDefined(), PATIENCE);
    traffic = new Traffic(client, profile, QPS);
  });

  afterAll(async () => {
    await traffic?.stop();
    const ends = await Promise.all(running.map((cascade) => cascade.stop()));
    await client?.close();
    await operator?.close();
    await server?.stop();
    for (const host of hosts) host.remove();
    rmSync(folder, { recursive: true, force: true });
    for (const { code, stderr } of ends) expect(code, stderr).toBe(0);
  });

  test.each([
    ['until its device counts as lost', 1],
    ['again, on the other host', 0],
  ])('a link is cut under load, %s, and restored: goodput recovers, and each request ends once', async (_, number) => {
    const [device, other] = number === 0 ? ['a', 'b'] : ['b', 'a'];
    await expectHealthy();
    hosts[number].cut();
    await eventually(async () => expect((await statusOf(operator))?.missing).toEqual([device]), PATIENCE);
    const before = (await answeredBy(operator, other)) ?? 0;
    await expectHealthy();
    expect(await answeredBy(operator, other)).toBeGreaterThan(before);
    hosts[number].restore();
    await eventually(async () => expect((await statusOf(operator))?.missing).toEqual([]), PATIENCE);
    const then = (await answeredBy(operator, device)) ?? 0;
    await eventually(async () => expect(await answeredBy(operator, device)).toBeGreaterThan(then), PATIENCE);
    await expectHealthy();
  });

  test('nothing was lost in all of this', async () => {
    await traffic.stop();
    expectAllEndedOnce(traffic);
    expect([...traffic.failures]).toEqual([]);
  });

  async function expectHealthy(): Promise<void> {
    traffic.forget();
    await eventually(() => expect(traffic.healthy).toBe(true), PATIENCE);
  }
});

function accepts(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
  });
}
