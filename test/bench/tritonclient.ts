/**
 * NVIDIA's own unmodified client against a gateway: health, metadata, configuration, infer in all forms, refusals, statistics. Needs
 * Python and its package index; without them it says so and exits with 0.
 *
 * Usage: npm run bench:tritonclient
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../engine/errors.ts';
import { serveWithGateway } from './support/gateway/serve.ts';

const PACKAGE = 'tritonclient[http,grpc]==2.73.0';

const folder = mkdtempSync(join(tmpdir(), 'cascade-tritonclient-'));
const python = join(folder, 'bin/python');

function installed(): boolean {
  try {
    execFileSync('python3', ['-m', 'venv', folder], { stdio: 'pipe' });
    execFileSync(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', PACKAGE], { stdio: 'pipe' });
    return true;
  } catch (error) {
    console.log(`skipped: ${PACKAGE} cannot be installed here (${messageOf(error).split('\n')[0]})`);
    return false;
  }
}

try {
  if (installed()) {
    const { http, grpc, deployment, close } = await serveWithGateway();
    try {
      const script = 'test/bench/support/gateway/tritonclient_check.py';
      execFileSync(python, [script, http, grpc, deployment, 'conf/fashion/data/images.npy'], { stdio: 'inherit' });
    } finally {
      await close();
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
