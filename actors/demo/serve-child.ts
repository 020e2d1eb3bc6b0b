import { type ChildProcess, spawn } from 'node:child_process';
import { entry } from '../../engine/source.ts';
import { natsEnvironment } from '../processes/nats-url.ts';

export interface ServeChild {
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
  /** Drains it. */
  stop(): Promise<void>;
}

/**
 * `cascade serve` as the user would start it, in a process of its own; resolves when it says that it is ready.
 * @param nats URLs of the servers.
 * It is in a session of its own: Ctrl-C reaches the demo alone, which ends things in their order.
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
      reject(new Error(`cascade serve ended with ${signal ?? `code ${code}`} before it was ready`)),
    );
  });
}
