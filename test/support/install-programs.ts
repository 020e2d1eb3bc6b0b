import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { messageOf } from '../../engine/errors.ts';
import { onPath } from './programs.ts';

/** Programs that some tests need besides nats-server, by Debian package, and how to check for them. */
const PROGRAMS: Readonly<Record<string, () => boolean>> = {
  chromium: () => onPath('chromium') !== undefined,
  prometheus: () => onPath('prometheus') !== undefined && onPath('promtool') !== undefined,
  faketime: () => existsSync('/usr/lib') && readdirSync('/usr/lib').some((name) => existsSync(`/usr/lib/${name}/faketime`)),
};

/**
 * Runs before the first test: installs missing programs from Debian's packages if possible, and says so. Tests of programs that stay
 * missing are skipped.
 */
export function setup(): void {
  const missing = Object.keys(PROGRAMS).filter((name) => !PROGRAMS[name]());
  if (missing.length === 0) return;
  const command = `apt-get install ${missing.join(' ')}`;
  if (process.getuid?.() !== 0 || onPath('apt-get') === undefined) {
    process.stderr.write(`without ${missing.join(', ')} some tests are skipped (Debian, Ubuntu: ${command})\n`);
    return;
  }
  process.stderr.write(`some tests use ${missing.join(', ')}: installing from the packages of this system (${command})\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const patient = ['-q', '-o', 'DPkg::Lock::Timeout=120'];
  try {
    execFileSync('apt-get', [...patient, 'update'], { env, stdio: 'pipe' });
    execFileSync('apt-get', [...patient, 'install', '-y', '--no-install-recommends', ...missing], { env, stdio: 'pipe' });
  } catch (error) {
    process.stderr.write(`not installed, so some tests are skipped: ${messageOf(error).trim()}\n`);
  }
}
