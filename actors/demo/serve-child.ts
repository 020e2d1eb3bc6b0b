import { type ChildProcess, spawn } from 'node:child_process';
import { entry } from '../../engine/source.ts';
import { natsEnvironment } from '../processes/nats-url.ts';

export interface ServeChild {
  /** Resolves when the process has exited. */
  readonly ended: Promise<void>;
  /** Drains it. */
  stop(): Promise<void>;
}

/**
 * Starts `cascade serve` as a user would, in a child process; resolves when it reports that it is ready. It has its own session, so that
 * Ctrl-C reaches only the demo, which shuts everything down in order.
 * @param nats URLs of the servers.
 */
export async function startServe(args: readonly string[], nats: string): Promise<ServeChild> {
  const main = entry('actors/main');
  const child = spawn(process.execPath, [...main.execArgv, main.path, 'serve', ...args], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: { ...process.env, ...natsEnvironment(nats) },
    detached: true,
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await ready(child);
  return {
    ended,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.stdout?.once('data', () => resolve());
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      reject(new Error(`cascade serve exited with ${signal ?? `code ${code}`} before it was ready`)),
    );
  });
}
