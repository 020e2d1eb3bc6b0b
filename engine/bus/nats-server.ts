import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { accessSync, closeSync, constants, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ConfigError, messageOf } from '../errors.ts';

export interface NatsServerOptions {
  readonly jetstream?: boolean;
  /** Folder for JetStream's files, kept when the server stops. Default: a temporary one, removed then. */
  readonly storageFolder?: string;
  /** Default: any free port. */
  readonly port?: number;
  /** A NATS server configuration: accounts, permissions, TLS, limits. Its address, port and storage are overridden. */
  readonly configFile?: string;
}

export interface NatsServer {
  readonly url: string;
  readonly pid: number;
  /** Resolves when the process has ended for any reason. */
  readonly exited: Promise<void>;
  /** Ends the server and removes its files. */
  stop(): Promise<void>;
  /** Sends a signal, to rehearse failures; `exited` resolves when it has worked. */
  kill(signal: NodeJS.Signals): void;
}

const START_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 5_000;
const POLL_MS = 5;

/**
 * Path of a nats-server: from the environment variable NATS_SERVER_BIN, else on the PATH or in the usual places, else, on a Debian-like
 * system as root, installed from the system's packages.
 * @throws ConfigError that says how to get one.
 */
export async function findNatsServer(): Promise<string> {
  const named = process.env.NATS_SERVER_BIN;
  if (named) {
    if (isExecutable(named)) return named;
    throw new ConfigError(`NATS_SERVER_BIN=${named} is not an executable file; set it to the path of nats-server, or unset it`);
  }
  return search() ?? (await install()) ?? fail('nats-server is not installed');
}

/**
 * Starts a private server on 127.0.0.1. It runs in its own session, so that Ctrl-C reaches only us and it outlives our drain, and it
 * dies with this process however that ends. It does not keep this process alive.
 * @throws ConfigError with the server's output when it does not start.
 */
export async function startNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const binary = await findNatsServer();
  const folder = mkdtempSync(join(tmpdir(), 'nats-server-'));
  const args = ['-a', '127.0.0.1', '-p', String(options.port ?? -1), '--ports_file_dir', folder];
  if (options.jetstream) args.push('-js', '-sd', options.storageFolder ?? join(folder, 'jetstream'));
  if (options.configFile !== undefined) args.push('-c', options.configFile);

  const child = spawnGuarded(binary, args, folder);
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const onExit = (): void => {
    child.kill('SIGKILL');
    remove(folder);
  };
  process.once('exit', onExit);

  const stop = async (): Promise<void> => {
    if (isRunning(child)) {
      child.ref();
      child.kill('SIGTERM');
      const timer = new AbortController();
      const slow = setTimeout(STOP_TIMEOUT_MS, undefined, timer).then(
        () => child.kill('SIGKILL'),
        () => undefined,
      );
      await exited;
      timer.abort();
      await slow;
    }
    process.off('exit', onExit);
    remove(folder);
  };

  try {
    const url = await waitForPorts(child, folder, options);
    child.unref();
    return { url, pid: child.pid ?? 0, exited, stop, kill: (signal) => void child.kill(signal) };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * The shell becomes the server; a background guard waits on a pipe from us. If the pipe breaks, we were killed without a chance to clean
 * up, so the guard does it.
 */
const GUARDED = `( read -r _ <&3 || { kill -KILL $$; rm -rf "$0"; } ) & exec "$@" 3<&-`;

function spawnGuarded(binary: string, args: readonly string[], folder: string): ChildProcess {
  const log = openSync(join(folder, 'stderr'), 'w');
  try {
    const child = spawn('/bin/sh', ['-c', GUARDED, folder, binary, ...args], {
      detached: true,
      stdio: ['ignore', log, log, 'pipe'],
    });
    const guard = child.stdio[3] as Socket;
    guard.unref();
    // The guard may already be gone when we dismiss it, which is fine.
    guard.on('error', () => guard.destroy());
    child.once('exit', () => guard.end('\n'));
    return child;
  } finally {
    closeSync(log);
  }
}

/** The server writes its addresses to a file once it is listening. */
async function waitForPorts(child: ChildProcess, folder: string, options: NatsServerOptions): Promise<string> {
  const giveUpAt = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < giveUpAt) {
    if (!isRunning(child)) throw startFailure('ended while it was starting', folder, options);
    const url = readUrl(folder);
    if (url !== undefined) return url;
    await setTimeout(POLL_MS);
  }
  throw startFailure(`is not ready after ${START_TIMEOUT_MS} ms`, folder, options);
}

function readUrl(folder: string): string | undefined {
  const file = readdirSync(folder).find((name) => name.endsWith('.ports'));
  if (file === undefined) return undefined;
  const content = readFileSync(join(folder, file), 'utf8');
  // The file is created before it is written.
  if (!content.trimEnd().endsWith('}')) return undefined;
  return (JSON.parse(content) as { nats?: string[] }).nats?.[0];
}

function startFailure(what: string, folder: string, { port, configFile }: NatsServerOptions): ConfigError {
  const lines = readFileSync(join(folder, 'stderr'), 'utf8').trim().split('\n');
  const complaints = lines.filter((line) => !line.includes('[INF]'));
  const words = (complaints.length > 0 ? complaints : lines).slice(-10).join('\n');
  const settings = [port === undefined ? '' : `port ${port}`, configFile === undefined ? '' : `configuration ${configFile}`];
  return new ConfigError(
    `nats-server ${what} (${settings.filter(Boolean).join(', ') || 'any port'}):\n${words || '(no output)'}`,
  );
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

function remove(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}

function search(): string | undefined {
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/sbin',
    '/usr/local/sbin',
    '/usr/local/bin',
    '/usr/bin',
    '/opt/homebrew/bin',
  ];
  return folders
    .filter(Boolean)
    .map((folder) => join(folder, 'nats-server'))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

let installing: Promise<string | undefined> | undefined;

function install(): Promise<string | undefined> {
  installing ??= installWithApt();
  return installing;
}

async function installWithApt(): Promise<string | undefined> {
  if (process.getuid?.() !== 0 || !isExecutable('/usr/bin/apt-get')) return undefined;
  process.stderr.write('nats-server is not installed: installing it from the system packages (apt-get install nats-server)\n');
  if (existsSync('/run/systemd/system')) {
    process.stderr.write('the package also starts a service on port 4222; stop it with systemctl disable --now nats-server\n');
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  // Another process may be installing at the same time.
  const patient = ['-q', '-o', 'DPkg::Lock::Timeout=120'];
  try {
    await run('apt-get', [...patient, 'update'], { env });
    await run('apt-get', [...patient, 'install', '-y', '--no-install-recommends', 'nats-server'], { env });
  } catch (error) {
    fail(`nats-server could not be installed (${messageOf(error).trim()})`);
  }
  return search();
}

const run = promisify(execFile);

function fail(what: string): never {
  throw new ConfigError(
    `${what}; install it (Debian, Ubuntu: apt-get install nats-server; macOS: brew install nats-server), set NATS_SERVER_BIN to its path, or name a running server`,
  );
}
