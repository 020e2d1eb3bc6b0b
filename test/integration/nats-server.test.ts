import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { findNatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { entry } from '../../engine/source.ts';
import { eventually } from '../support/eventually.ts';

afterEach(() => vi.unstubAllEnvs());

describe('finding nats-server', () => {
  it('takes NATS_SERVER_BIN', async () => {
    vi.stubEnv('NATS_SERVER_BIN', process.execPath);
    expect(await findNatsServer()).toBe(process.execPath);
  });

  it('refuses a NATS_SERVER_BIN that does not exist, and names it', async () => {
    vi.stubEnv('NATS_SERVER_BIN', '/no/such/nats-server');
    await expect(findNatsServer()).rejects.toMatchObject({
      name: 'ConfigError',
      message: expect.stringContaining('NATS_SERVER_BIN=/no/such/nats-server'),
    });
  });

  it('finds one outside the PATH', async () => {
    vi.stubEnv('PATH', '/nowhere');
    vi.stubEnv('NATS_SERVER_BIN', '');
    expect(await findNatsServer()).toMatch(/\/nats-server$/);
  });
});

describe('a private nats-server', () => {
  it('listens when it is returned, has JetStream if asked, and is gone after stop', async () => {
    const server = await startNatsServer({ jetstream: true });
    const bus = await connectNats({ servers: server.url });
    await expect(bus.request('$JS.API.INFO', new Uint8Array(0), { timeoutMs: 20_000 })).resolves.toBeDefined();
    await bus.close();
    await server.stop();
    await server.exited;
    expect(await answers(server.url)).toBe(false);
    await server.stop();
  });

  it('shows the server’s output if it does not start', async () => {
    const first = await startNatsServer();
    const port = Number(new URL(first.url).port);
    await expect(startNatsServer({ port })).rejects.toMatchObject({
      name: 'ConfigError',
      message: expect.stringMatching(new RegExp(`port ${port}.*address already in use`, 's')),
    });
    await first.stop();
  });

  it('names a configuration file that it cannot read', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cascade-test-'));
    const configFile = join(folder, 'bad.conf');
    await writeFile(configFile, 'max_payload: nonsense');
    await expect(startNatsServer({ configFile })).rejects.toMatchObject({
      name: 'ConfigError',
      message: expect.stringContaining(configFile),
    });
    await rm(folder, { recursive: true });
  });

  it.each(['SIGKILL', 'SIGTERM'] as const)('does not outlive a process killed by %s, nor do its files', async (signal) => {
    const { parent, url, folder } = await startInChild();
    expect(await answers(url)).toBe(true);
    parent.kill(signal);
    await once(parent, 'exit');
    await eventually(async () => expect(await answers(url)).toBe(false));
    await eventually(() => expect(existsSync(folder)).toBe(false));
  });

  it('survives a Ctrl-C, which goes to the process group', async () => {
    const { parent, url } = await startInChild();
    process.kill(-(parent.pid ?? 0), 'SIGINT');
    await once(parent.stdout ?? parent, 'data');
    expect(await answers(url)).toBe(true);
    parent.kill('SIGKILL');
    await eventually(async () => expect(await answers(url)).toBe(false));
  });
});

/** A process in its own group that starts a server, prints its address and says when it is interrupted. */
async function startInChild(): Promise<{ parent: ChildProcess; url: string; folder: string }> {
  const script = `
    process.on('SIGINT', () => console.log('interrupted'));
    import(${JSON.stringify(entry('engine/bus/nats-server').url.href)})
      .then(({ startNatsServer }) => startNatsServer())
      .then((server) => console.log(server.url));
    setInterval(() => undefined, 1000);
  `;
  const folder = await mkdtemp(join(tmpdir(), 'cascade-test-'));
  const parent = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TMPDIR: folder },
  });
  const line = await Promise.race([
    once(parent.stdout, 'data').then(([data]) => String(data)),
    once(parent, 'exit').then(([code]) => Promise.reject(new Error(`the child ended with code ${code} before it had a server`))),
  ]);
  const own = readdirSync(folder).find((name) => name.startsWith('nats-server-')) ?? '';
  return { parent, url: line.trim(), folder: join(folder, own) };
}

function answers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.once('data', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
    socket.once('data', () => socket.destroy());
  });
}
