/**
 * Unmodified clients of other projects against a gateway: tritonclient (health, metadata, configuration, infer in all forms, streams,
 * refusals, statistics), KServe's client, and perf_analyzer, Triton's load generator. Needs Python and its package index; without them
 * it says so and exits with 0.
 *
 * Usage: npm run bench:protocol-clients
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../engine/errors.ts';
import { type ServedGateway, serveWithGateway } from './support/gateway/serve.ts';

const IMAGES = 'conf/fashion/data/images.npy';
/** Tensors as bytes and as values, one and several samples, one and several requests in flight, open loop. */
const PERF_ANALYZER_RUNS = [
  ['-i', 'http'],
  ['-i', 'grpc'],
  ['-i', 'http', '-b', '4', '-a', '--concurrency-range', '8'],
  ['-i', 'grpc', '-a', '--streaming', '--concurrency-range', '8'],
  ['-i', 'http', '--input-tensor-format', 'json', '--output-tensor-format', 'json'],
  ['-i', 'grpc', '--request-rate-range', '50'],
];

const folder = mkdtempSync(join(tmpdir(), 'cascade-protocol-clients-'));

/** @returns its Python; undefined if the packages cannot be installed here. */
function environment(name: string, packages: readonly string[]): string | undefined {
  const python = join(folder, name, 'bin/python');
  try {
    execFileSync('python3', ['-m', 'venv', join(folder, name)], { stdio: 'pipe' });
    execFileSync(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages], { stdio: 'pipe' });
    return python;
  } catch (error) {
    console.log(`skipped: ${packages.join(', ')} cannot be installed here (${messageOf(error).split('\n')[0]})`);
    return undefined;
  }
}

function check(python: string, script: string, { http, grpc, deployment }: ServedGateway): void {
  execFileSync(python, [`test/bench/support/gateway/${script}`, http, grpc, deployment, IMAGES], { stdio: 'inherit' });
}

/** The last release of tritonclient whose wheel has a perf_analyzer for Debian 12, and what that is linked to. */
function perfAnalyzer({ http, grpc, deployment }: ServedGateway): void {
  const python = environment('perf_analyzer', ['tritonclient==2.46.0', 'nvidia-cuda-runtime-cu12==12.9.79']);
  if (python === undefined) return;
  const program = join(folder, 'perf_analyzer/bin/perf_analyzer');
  chmodSync(program, 0o755);
  const packages = execFileSync(python, ['-c', 'import sysconfig; print(sysconfig.get_paths()["purelib"])'], {
    encoding: 'utf8',
  });
  const env = { ...process.env, LD_LIBRARY_PATH: join(packages.trim(), 'nvidia/cuda_runtime/lib') };
  const missing = execFileSync('ldd', [program], { env, encoding: 'utf8' }).match(/\S+(?= => not found)/g);
  if (missing !== null) {
    console.log(`skipped: perf_analyzer needs ${missing.join(', ')} (libb64.so.0d: apt-get install libb64-0d)`);
    return;
  }
  for (const options of PERF_ANALYZER_RUNS) {
    const address = options.includes('grpc') ? grpc : http;
    const measured = [
      '--measurement-mode',
      'count_windows',
      '--measurement-request-count',
      '100',
      '--stability-percentage',
      '90',
    ];
    const { status, stdout, stderr } = spawnSync(program, ['-m', deployment, '-u', address, ...options, ...measured], {
      env,
      encoding: 'utf8',
    });
    const summary = /throughput: .*/.exec(stdout)?.[0];
    if (status !== 0 || summary === undefined) throw new Error(`perf_analyzer ${options.join(' ')} failed:\n${stdout}${stderr}`);
    console.log(`perf_analyzer ${options.join(' ')}: ${summary}`);
  }
}

const served = await serveWithGateway();
try {
  const triton = environment('triton', ['tritonclient[http,grpc]==2.73.0']);
  if (triton !== undefined) check(triton, 'tritonclient_check.py', served);
  const kserve = environment('kserve', ['kserve==0.21.0']);
  if (kserve !== undefined) check(kserve, 'kserve_check.py', served);
  perfAnalyzer(served);
} finally {
  await served.close();
  rmSync(folder, { recursive: true });
}
