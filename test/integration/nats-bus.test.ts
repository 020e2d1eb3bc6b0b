import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { type NatsServer, type NatsServerOptions, startNatsServer } from '../../engine/bus/nats-server.ts';
import { bytes, text } from '../support/bytes.ts';
import { hasOpenssl, writeCertificates } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { listen } from '../support/listen.ts';

const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(options?: NatsServerOptions): Promise<NatsServer> {
  const server = await startNatsServer(options);
  cleanups.push(() => server.stop());
  return server;
}

async function connected(options: Parameters<typeof connectNats>[0]): Promise<Bus> {
  const bus = await connectNats(options);
  cleanups.push(() => bus.close());
  return bus;
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cascade-test-'));
  cleanups.push(() => rm(folder, { recursive: true }));
  return folder;
}

async function certificates(names?: string): Promise<string> {
  const folder = await temporaryFolder();
  writeCertificates(folder, names);
  return folder;
}

async function configured(config: string): Promise<NatsServer> {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'nats.conf'), config);
  return start({ configFile: join(folder, 'nats.conf') });
}

function memoryLog(): { lines: string[]; info(message: string): void; warn(message: string): void } {
  const lines: string[] = [];
  return { lines, info: (message) => lines.push(`info ${message}`), warn: (message) => lines.push(`warn ${message}`) };
}

describe('a NATS bus whose server restarts', () => {
  it('says so, drops messages published meanwhile, and keeps its subscriptions', async () => {
    const port = await freePort();
    const first = await start({ port });
    const log = memoryLog();
    const bus = await connected({ servers: first.url, log });
    const states: string[] = [];
    bus.status$.subscribe((state) => states.push(state));
    const heard = await listen(bus, 'work', { queue: 'workers' });

    first.kill('SIGKILL');
    await first.exited;
    await eventually(() => expect(states).toEqual(['up', 'down']));
    expect(bus.publish('work', bytes('lost'))).toBe(false);
    await expect(bus.request('work', bytes('lost'), { timeoutMs: 60_000 })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(bus.flush()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const late = bus.messages$('late');
    const heardLate: string[] = [];
    late.subscribe((message) => heardLate.push(text(message.data)));

    await start({ port });
    await eventually(() => expect(states).toEqual(['up', 'down', 'up']));
    await bus.flush();
    expect(bus.publish('work', bytes('again'))).toBe(true);
    expect(bus.publish('late', bytes('too'))).toBe(true);
    await eventually(() => expect([heard.texts, heardLate]).toEqual([['again'], ['too']]));
    expect(log.lines).toEqual([expect.stringMatching(/^warn .*lost; reconnecting/), expect.stringMatching(/^info .*again/)]);
  });

  it('closes at once while the server is away', async () => {
    const server = await start();
    const bus = await connected({ servers: server.url });
    const heard = await listen(bus, 'x');
    await server.stop();
    await eventually(() => expect(bus.publish('x', bytes('x'))).toBe(false));
    await bus.close();
    expect(heard.ended).toBe('complete');
  });
});

describe('a NATS bus of a user with few permissions', () => {
  const CONFIG = `authorization { users = [
    { user: boss, password: b }
    { user: client, password: c, permissions: { publish: ["infer"], subscribe: ["_INBOX.>", "open"] } }
  ] }`;

  it.each([undefined, 'workers'])('gets an error for a refused subscription (queue %s), and keeps the others', async (queue) => {
    const server = await configured(CONFIG);
    const boss = await connected({ servers: server.url, user: 'boss', password: 'b' });
    const log = memoryLog();
    const client = await connected({ servers: server.url, user: 'client', password: 'c', log });
    const open = await listen(client, 'open');
    const forbidden = await listen(client, 'secret', { queue });
    await eventually(() => expect(forbidden.ended).toBeDefined());
    expect(forbidden.ended).toMatchObject({
      name: 'CascadeError',
      code: 'UNAVAILABLE',
      message: /may not subscribe to secret/,
    });
    await eventually(() => expect(log.lines).toEqual([expect.stringContaining('refuses subscription on "secret"')]));
    boss.publish('open', bytes('still here'));
    await eventually(() => expect(open.texts).toEqual(['still here']));
  });

  it('logs a refused publish once, and rejects the request', async () => {
    const server = await configured(CONFIG);
    const log = memoryLog();
    const client = await connected({ servers: server.url, user: 'client', password: 'c', log });
    for (let i = 0; i < 10; i++) client.publish('secret', bytes('x'));
    await client.flush();
    await eventually(() => expect(log.lines).toEqual([expect.stringContaining('refuses publish on "secret"')]));
    await expect(client.request('secret', bytes('x'), { timeoutMs: 20_000 })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: /may not publish to secret/,
    });
  });

  it('reports a wrong password', async () => {
    const server = await configured(CONFIG);
    await expect(connectNats({ servers: server.url, user: 'boss', password: 'wrong' })).rejects.toMatchObject({
      name: 'CredentialsRejected',
      message: expect.stringMatching(new RegExp(`${server.url} rejected our credentials .*check user and password`)),
    });
  });
});

describe('a NATS bus with credentials', () => {
  it('connects with an nkey', async () => {
    // The example pair from the NATS documentation.
    const server = await configured(
      'authorization { users = [ { nkey: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4 } ] }',
    );
    const folder = await temporaryFolder();
    const nkeySeedFile = join(folder, 'seed');
    await writeFile(nkeySeedFile, 'SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY\n');
    const bus = await connected({ servers: server.url, nkeySeedFile });
    await bus.flush();
    await expect(connectNats({ servers: server.url })).rejects.toMatchObject({
      name: 'CredentialsRejected',
      message: /rejected our credentials/,
    });
  });

  it('connects with a token', async () => {
    const server = await configured('authorization { token: secret }');
    const bus = await connected({ servers: server.url, token: 'secret' });
    await bus.flush();
  });

  it.skipIf(!hasOpenssl)('connects over TLS with its own certificate, and not without', async () => {
    const folder = await certificates();
    const server = await configured(
      `tls { cert_file: "${folder}/server.pem", key_file: "${folder}/server.key", ca_file: "${folder}/ca.pem", verify: true }`,
    );
    const servers = server.url.replace('nats:', 'tls:');
    const caFile = join(folder, 'ca.pem');
    const tls = { caFile, certFile: join(folder, 'client.pem'), keyFile: join(folder, 'client.key') };
    const bus = await connected({ servers, tls });
    await bus.flush();
    for (const wrong of [{ caFile }, {}, { ...tls, caFile: join(folder, 'no-such.pem') }]) {
      await expect(connectNats({ servers, tls: wrong })).rejects.toMatchObject({
        name: 'ConfigError',
        message: expect.stringContaining('tls'),
      });
    }
  });
});

describe.skipIf(!hasOpenssl)('a NATS server`s certificate', () => {
  it.each([
    ['IP:127.0.0.1', '127.0.0.1', true],
    ['DNS:localhost', 'localhost', true],
    ['IP:127.0.0.2', '127.0.0.1', false],
    ['DNS:elsewhere', '127.0.0.1', false],
    ['DNS:elsewhere,IP:127.0.0.1', 'localhost', false],
  ])('for %s is for tls://%s: %s', async (names, host, accepted) => {
    const folder = await certificates(names);
    const server = await configured(`tls { cert_file: "${folder}/server.pem", key_file: "${folder}/server.key" }`);
    const servers = `tls://${host}:${new URL(server.url).port}`;
    const attempt = connectNats({ servers, tls: { caFile: join(folder, 'ca.pem') } });
    if (accepted) await (await attempt).close();
    else await expect(attempt).rejects.toMatchObject({ name: 'ConfigError', message: /does not match certificate/ });
  });
});

describe('a NATS bus with loopback', () => {
  it('delivers messages to its own subscriptions without the server, once, and with every part of the message', async () => {
    const server = await start();
    const bus = await connected({ servers: server.url, loopback: true });
    const other = await connected({ servers: server.url });
    const heard = await listen(bus, 'own.*', { exclusive: true });
    const overheard = await listen(other, 'own.*');
    bus.publish('own.a', bytes('loopback'), { reply: 'answers', headers: { Kind: 'test' } });
    await bus.flush();
    expect(heard.texts).toEqual(['loopback']);
    expect(heard.messages[0]).toMatchObject({ subject: 'own.a', reply: 'answers' });
    expect(heard.messages[0].header('kind')).toBe('test');
    other.publish('own.b', bytes('by the server'));
    await eventually(() => expect(heard.texts).toEqual(['loopback', 'by the server']));
    // The server keeps the order of one publisher: through the server, the first would have arrived before this one.
    expect(overheard.texts).toEqual(['by the server']);
  });

  it('hands values over to its own exclusive listeners as they are, and to nobody else', async () => {
    const server = await start();
    const bus = await connected({ servers: server.url, loopback: true });
    const without = await connected({ servers: server.url });
    const values: unknown[] = [];
    const sent = { some: 'value' };
    let encoded = 0;
    const encode = (): Uint8Array => bytes(`encoded ${++encoded}`);
    for (const each of [bus, without])
      each.messages$('own.*', { exclusive: true }).subscribe((message) => values.push(message.value));
    await listen(bus, 'shared');
    await without.flush();
    expect(bus.handOver('own.a', sent, encode)).toBe(true);
    // Asynchronous, like messages from the server.
    expect(values).toEqual([]);
    await bus.flush();
    expect(values).toEqual([sent]);
    expect(values[0]).toBe(sent);
    expect([bus.handOver('shared', sent, encode), bus.handOver('nobody', sent, encode)]).toEqual([false, false]);
    expect(without.handOver('own.a', sent, encode)).toBe(false);
    expect(encoded).toBe(0);
    await bus.close();
    expect(bus.handOver('own.a', sent, encode)).toBe(false);
  });

  it('encodes a value only for listeners who read bytes', async () => {
    const bus = await connected({ servers: (await start()).url, loopback: true });
    const heard = await listen(bus, 'own.*', { exclusive: true });
    bus.handOver('own.a', {}, () => bytes('encoded'));
    await bus.flush();
    expect(heard.texts).toEqual(['encoded']);
    expect(heard.messages[0]).toMatchObject({ subject: 'own.a', reply: '' });
    expect(heard.messages[0].header('any')).toBeUndefined();
  });

  it('publishes everything else through the server, including messages that nobody here listens for any more', async () => {
    const server = await start();
    const bus = await connected({ servers: server.url, loopback: true });
    const other = await listen(await connected({ servers: server.url }), 'own.*');
    bus.messages$('own.a', { exclusive: true }).subscribe().unsubscribe();
    const shared = await listen(bus, 'own.b');
    bus.publish('own.a', bytes('a'));
    bus.publish('own.b', bytes('b'));
    await eventually(() => expect(other.texts).toEqual(['a', 'b']));
    await eventually(() => expect(shared.texts).toEqual(['b']));
  });
});

describe('connecting to NATS', () => {
  it('finds no key-value store on a server without JetStream', async () => {
    const bus = await connected({ servers: (await start()).url });
    expect(await bus.keyValue('bucket')).toBeUndefined();
  });

  it('does not take a server that has lost JetStream for one without', async () => {
    const port = await freePort();
    const first = await start({ port, jetstream: true });
    const bus = await connected({ servers: first.url });
    expect(await bus.keyValue('bucket')).toBeDefined();
    await first.stop();
    await start({ port });
    await eventually(() =>
      expect(bus.keyValue('bucket')).rejects.toMatchObject({ message: expect.stringMatching(/503|no responders/i) }),
    );
    await expect(bus.keyValue('bucket')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('names the servers and what to do if nobody answers', async () => {
    const port = await freePort();
    const servers = [`nats://127.0.0.1:${port}`, `nats://localhost:${port}`];
    await expect(connectNats({ servers })).rejects.toMatchObject({
      name: 'ConfigError',
      message: expect.stringContaining(`no NATS server answers at ${servers.join(', ')}`),
    });
  });

  it('tries the next server if the first does not answer', async () => {
    const server = await start();
    const bus = await connected({ servers: [`nats://127.0.0.1:${await freePort()}`, server.url] });
    await bus.flush();
  });

  it('names a missing credentials file', async () => {
    await expect(connectNats({ servers: 'nats://127.0.0.1', credentialsFile: 'no/such.creds' })).rejects.toMatchObject({
      name: 'ConfigError',
      message: expect.stringContaining('nats.credentialsFile: no/such.creds cannot be read'),
    });
  });

  it('reads the payload limit from the server', async () => {
    const server = await configured('max_payload: 65536');
    const bus = await connected({ servers: server.url });
    expect(bus.maxPayloadBytes).toBe(65536);
  });

  it('announces an actor to the services API once, under a name that NATS accepts', async () => {
    const server = await start();
    const bus = await connected({ servers: server.url });
    const service = { name: 'frontend a.b', description: 'takes requests', metadata: { host: 'h1' } };
    await bus.announce(service);
    await bus.announce(service);
    const answers = await listen(bus, 'pings');
    bus.publish('$SRV.PING', bytes(''), { reply: 'pings' });
    bus.publish('pings', bytes('end'));
    await eventually(() => expect(answers.texts).toHaveLength(2));
    const ping = JSON.parse(answers.texts.find((answer) => answer !== 'end') ?? '') as Record<string, unknown>;
    expect(ping).toMatchObject({
      name: 'frontend-a-b',
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      metadata: { host: 'h1' },
    });
  });
});
