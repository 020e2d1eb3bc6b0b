import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Stage } from '../../../plans/domain/gear-plan/gear-plan.ts';
import { type Cascade, runCommand, startCommand } from '../../support/cascade.ts';
import { freePort } from '../../support/free-port.ts';
import { alive, descendants } from '../../support/processes.ts';
import { HTTP_FORMATS, type HttpFormatName } from '../support/generator/http-formats.ts';
import type { Contender } from '../support/promise/contender.ts';
import { memoryOf } from '../support/promise/memory.ts';

/** A server from PyPI, and the file of servers/ that runs the cascade in it. */
interface PythonPeer {
  readonly name: string;
  readonly script: string;
  readonly packages: readonly string[];
  readonly path: string;
  readonly format: HttpFormatName;
}

const ONNX_RUNTIME = ['onnxruntime==1.30.0', 'numpy'];

const PEERS: readonly PythonPeer[] = [
  peer('mosec', 'mosec', ['mosec==0.9.8'], '/classify', 'bytes'),
  peer('LitServe', 'litserve', ['litserve==0.2.19'], '/classify', 'base64'),
  peer('BentoML', 'bentoml', ['bentoml==1.4.40'], '/classify', 'base64-list'),
  peer('Ray Serve', 'ray', ['ray[serve]==2.60.0'], '/classify', 'bytes'),
  peer('Triton (PyTriton)', 'triton', ['nvidia-pytriton==0.7.0'], '/v2/models/fashion/infer', 'open-inference'),
];

function peer(name: string, script: string, packages: string[], path: string, format: HttpFormatName): PythonPeer {
  return { name, script, packages: [...packages, ...ONNX_RUNTIME], path, format };
}

export interface PeerSettings {
  /** Interpreter for the environments. PyTriton needs one with libpython as a shared library, like Debian's. */
  readonly python: string;
  /** Folder of the environments, which are kept and reused. */
  readonly environments: string;
  readonly stages: readonly Stage[];
  readonly batch: string;
  /** Longest wait of a batch. */
  readonly waitMs: string;
  /** Parts of names; empty: all. */
  readonly only: readonly string[];
}

/** Peers that are available here, and why the others are not. */
export interface PeersFound {
  readonly contenders: readonly Contender[];
  readonly skipped: Readonly<Record<string, string>>;
}

const servers = fileURLToPath(new URL('servers', import.meta.url));

/** Sets up the peers that are not set up yet. */
export async function findPeers(settings: PeerSettings): Promise<PeersFound> {
  const contenders: Contender[] = [];
  const skipped: Record<string, string> = {};
  for (const found of PEERS.filter(
    ({ name }) => settings.only.length === 0 || settings.only.some((part) => name.includes(part)),
  )) {
    try {
      await setUp(found, settings);
      contenders.push(pythonContender(found, settings));
    } catch (error) {
      skipped[found.name] = lastLine((error as Error).message);
    }
  }
  return { contenders, skipped };
}

/** The last line of a program's output, which usually says why it ended. */
export function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

function pythonOf({ script }: PythonPeer, { environments }: PeerSettings): string {
  return join(environments, script, 'bin', 'python');
}

/** Creates a separate environment with exactly these packages; starts over if an earlier attempt did not finish. */
async function setUp(peer: PythonPeer, settings: PeerSettings): Promise<void> {
  const folder = join(settings.environments, peer.script);
  const done = join(folder, 'packages.txt');
  const wanted = peer.packages.join('\n');
  if (existsSync(done) && (await readFile(done, 'utf8')) === wanted) return;
  process.stderr.write(`${peer.name}: setting up ${peer.packages.join(', ')}\n`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(settings.environments, { recursive: true });
  await runCommand(settings.python, ['-m', 'venv', folder]);
  await runCommand(pythonOf(peer, settings), ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', ...peer.packages]);
  await writeFile(done, wanted);
}

const STARTED_MS = 120_000;
const ASK_AGAIN_MS = 50;

function pythonContender(peer: PythonPeer, settings: PeerSettings): Contender {
  return {
    name: peer.name,
    expectedAccuracy: () => null,
    async start() {
      const port = await freePort();
      const serving = startCommand(pythonOf(peer, settings), [`${peer.script}_server.py`], {
        cwd: servers,
        env: {
          PEER_PORT: String(port),
          PEER_MODELS: resolve('conf/fashion/models'),
          PEER_CASCADE: settings.stages.map(({ model, threshold }) => `${model}:${threshold ?? 0}`).join(),
          PEER_BATCH: settings.batch,
          PEER_WAIT_MS: settings.waitMs,
          PYTHONDONTWRITEBYTECODE: '1',
          PYTRITON_HOME: join(settings.environments, 'triton', 'home'),
          BENTOML_HOME: join(settings.environments, 'bentoml', 'home'),
          BENTOML_DO_NOT_TRACK: 'true',
          RAY_USAGE_STATS_ENABLED: '0',
        },
      });
      const url = `http://127.0.0.1:${port}${peer.path}`;
      const { pid } = serving.process;
      if (pid === undefined) throw new Error(`${peer.name} was not started`);
      try {
        await answers(url, peer, serving);
      } catch (error) {
        await end(serving, pid);
        throw error;
      }
      return { endpoint: { url, format: peer.format }, memory: () => memoryOf([pid]), stop: () => end(serving, pid) };
    },
  };
}

/** Resolves once a request is answered. */
async function answers(url: string, { name, format }: PythonPeer, serving: Cascade): Promise<void> {
  const { headers, body } = HTTP_FORMATS[format];
  const fields = headers
    .trim()
    .split('\r\n')
    .map((line) => line.split(': ') as [string, string]);
  const startedAt = performance.now();
  while (performance.now() - startedAt < STARTED_MS) {
    if (serving.process.exitCode !== null) break;
    const answer = await fetch(url, { method: 'POST', headers: fields, body: Buffer.from(body(new Uint8Array(784))) }).catch(
      () => undefined,
    );
    if (answer?.ok) {
      await answer.text();
      return;
    }
    await setTimeout(ASK_AGAIN_MS);
  }
  throw new Error(`${name} did not start: ${lastLine(serving.stderr())}`);
}

const GRACE_MS = 10_000;

/** Kills its descendants too, because some of these servers leave processes behind. */
async function end(serving: Cascade, pid: number): Promise<void> {
  const started = descendants(pid);
  const exited = new Promise<void>((done) => {
    if (serving.process.exitCode !== null || serving.process.signalCode !== null) done();
    else serving.process.once('exit', () => done());
  });
  serving.process.kill('SIGTERM');
  await Promise.race([exited, setTimeout(GRACE_MS, undefined, { ref: false })]);
  serving.process.kill('SIGKILL');
  for (const line of alive(started)) process.kill(Number(line.split(' ', 1)[0]), 'SIGKILL');
}
