import type { Supervisor } from '../../engine/actor/supervisor.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { realClock } from '../../engine/clock.ts';
import type { Logger } from '../../engine/log.ts';
import { ALIVE, ALIVE_INTERVAL_MS, READY } from '../../engine/process/child-process.ts';
import { launcherEnded } from '../../engine/process/launcher.ts';
import { setPhase } from './phase.ts';

const PARENT_IS_GONE = 'parent is gone';

/** Time for draining; whatever is unfinished then is cut off. */
export const DRAIN_MS = 30_000;
/** Give up a part of the deployment that fails this often without ever having been ready. */
export const MAX_FAILED_STARTS = 3;

/** Reports to the parent process, if there is one, that we are ready, and from then on that our event loop is alive. */
export function reportReady(): void {
  setPhase('ready');
  if (!process.connected) return;
  process.send?.(READY);
  let underWay = false;
  const timer = setInterval(() => {
    // If the parent does not read, do not pile up messages.
    if (!process.connected || underWay) return;
    underWay = true;
    process.send?.(ALIVE, undefined, undefined, () => {
      underWay = false;
    });
  }, ALIVE_INTERVAL_MS);
  timer.unref();
}

/**
 * Resolves when this process should end: on SIGTERM; on Ctrl-C or a closed terminal (SIGHUP), unless a parent process coordinates the
 * shutdown; or when the parent process, or the npm that started us, is gone.
 */
export function askedToStop(): Promise<string> {
  return new Promise((stop) => {
    const resolve = (why: string): void => {
      setPhase('draining');
      stop(why);
    };
    process.on('SIGTERM', () => resolve('SIGTERM'));
    // A second Ctrl-C does not wait for the drain: with no listener left, the system kills us, which avoids the abort message of an
    // exit during an inference. Our children notice that we are gone.
    if (process.send === undefined) {
      process.once('SIGINT', () => resolve('SIGINT'));
      process.on('SIGHUP', () => resolve('SIGHUP'));
      void launcherEnded().then(() => resolve('npm, which started this process, has ended'));
    } else {
      process.on('SIGINT', () => undefined);
      process.on('SIGHUP', () => undefined);
    }
    process.on('disconnect', () => resolve(PARENT_IS_GONE));
    // The parent may have exited while we were starting.
    if (process.send !== undefined && !process.connected) resolve(PARENT_IS_GONE);
  });
}

/** Runs a process with a connection and always closes it at the end, because an open one would keep the process alive. */
export async function runConnected(connecting: Promise<Bus>, run: (bus: Bus) => Promise<void>): Promise<void> {
  const bus = await connecting;
  try {
    await run(bus);
  } finally {
    await leave(bus);
  }
}

/**
 * Runs a role until the process is asked to stop or one of its actors is given up, then drains its parts, one after the other, within
 * one deadline.
 * @throws ConfigError when an actor cannot do what the deployment requires; ActorGivenUp when one died too often, after which the
 *   supervisor of this process may restart it.
 */
export async function runUntilShutdown(parts: readonly Supervisor[], log: Logger): Promise<void> {
  const why = await Promise.race([askedToStop(), ...parts.map(({ failed }) => failed)]);
  log.info({ why: why instanceof Error ? why.message : why }, 'draining');
  const endsAt = realClock.now() + DRAIN_MS;
  for (const part of parts) {
    const cutOff = await part.stop(Math.max(0, endsAt - realClock.now()));
    for (const actor of cutOff) log.error({ actor }, `not drained within ${DRAIN_MS} ms; cut off`);
  }
  if (why instanceof Error) throw why;
}

/** Closes the bus, and disconnects from the parent process, whose channel would keep this process alive. */
export async function leave(bus: Bus): Promise<void> {
  await bus.close();
  if (process.connected) process.disconnect();
}
