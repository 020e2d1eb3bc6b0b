import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from './eventually.ts';
import { onPath } from './programs.ts';

const run = promisify(execFile);
/** Required programs and the Debian packages that have them. */
const NEEDED = { dockerd: 'docker.io', 'docker-compose': 'docker-compose', debootstrap: 'debootstrap', prometheus: 'prometheus' };
/** Packages of the base image in addition to Debian's minimum: what Node needs, and a server for the `nats` service. */
const PACKAGES = 'ca-certificates,libstdc++6,nats-server';
const LOG_BYTES = 64 * 1024 * 1024;

/** Why no container engine can be started here; undefined if one can. */
export function noEngine(): string | undefined {
  if (process.getuid?.() !== 0) return 'the container engine of the tests needs root';
  const missing = Object.entries(NEEDED).filter(([program]) => onPath(program) === undefined);
  if (missing.length === 0) return undefined;
  const [programs, packages] = [0, 1].map((part) => missing.map((entry) => entry[part]));
  return `no ${programs.join(', ')} here; Debian has what is missing: apt-get install ${packages.join(' ')}`;
}

/** A private container engine with its own images; it leaves nothing behind. */
export class ContainerEngine {
  readonly #folder = mkdtempSync(join(tmpdir(), 'cascade-engine-'));
  readonly #daemon: ChildProcess;

  private constructor() {
    this.#daemon = spawn(
      'dockerd',
      [
        ...['--data-root', join(this.#folder, 'data'), '--exec-root', join(this.#folder, 'exec')],
        ...['--host', this.#host, '--pidfile', join(this.#folder, 'pid'), '--iptables=false', '--bridge=none'],
      ],
      { stdio: 'ignore' },
    );
  }

  static async start(): Promise<ContainerEngine> {
    const engine = new ContainerEngine();
    await eventually(() => engine.run('docker', ['version']), { timeout: 60_000, interval: 200 });
    return engine;
  }

  get #host(): string {
    return `unix://${join(this.#folder, 'socket')}`;
  }

  /** Runs a client of this engine and waits for it to end. */
  async run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
    const options = { env: { ...process.env, ...env, DOCKER_HOST: this.#host, DOCKER_BUILDKIT: '0' }, maxBuffer: LOG_BYTES };
    const { stdout, stderr } = await run(program, args, options);
    return stdout + stderr;
  }

  /** Builds an image from Debian's packages, this process's Node and this machine's Prometheus, so no image registry is needed. */
  async makeBase(tag: string): Promise<void> {
    const root = join(this.#folder, 'root');
    await run('debootstrap', ['--variant=minbase', `--include=${PACKAGES}`, 'stable', root], { maxBuffer: LOG_BYTES });
    copyFileSync(process.execPath, join(root, 'usr/local/bin/node'));
    const prometheus = onPath('prometheus');
    if (prometheus !== undefined) copyFileSync(prometheus, join(root, 'usr/local/bin/prometheus'));
    const npm = join(root, 'usr/local/lib/node_modules');
    mkdirSync(npm, { recursive: true });
    await run('cp', ['-a', await npmFolder(), npm]);
    symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(root, 'usr/local/bin/npm'));
    // npm may go through a company proxy that re-signs its connections.
    const authorities = '/etc/ssl/certs/ca-certificates.crt';
    copyFileSync(authorities, join(root, authorities));
    mkdirSync(join(root, 'usr/local/etc'), { recursive: true });
    const registry = (await run('npm', ['config', 'get', 'registry'])).stdout.trim();
    writeFileSync(join(root, 'usr/local/etc/npmrc'), `cafile=${authorities}\nregistry=${registry}\n`);
    const archive = join(this.#folder, 'base.tar');
    await run('tar', ['-C', root, '-cf', archive, '.']);
    await this.run('docker', ['import', archive, tag]);
    rmSync(root, { recursive: true });
    rmSync(archive);
  }

  async stop(): Promise<void> {
    if (this.#daemon.exitCode === null) {
      this.#daemon.kill('SIGTERM');
      await once(this.#daemon, 'exit');
    }
    // The engine leaves a mount for the host network.
    for (const mount of mountsBelow(this.#folder)) await run('umount', [mount]);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function mountsBelow(folder: string): string[] {
  const points = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
  return points.filter((point) => point.startsWith(`${folder}/`)).reverse();
}

/** Where the npm that started these tests, or else the one on the PATH, is installed. */
async function npmFolder(): Promise<string> {
  const root = (await run('npm', ['root', '--global'])).stdout.trim();
  const folder = process.env.npm_execpath === undefined ? join(root, 'npm') : dirname(dirname(process.env.npm_execpath));
  if (!existsSync(join(folder, 'bin/npm-cli.js'))) throw new Error(`no npm in ${folder}`);
  return folder;
}
