import { filter, firstValueFrom, map, startWith, switchMap } from 'rxjs';
import type { ActorContext } from '../../engine/actor/actor.ts';
import { Channels } from '../../engine/actor/channel.ts';
import { Drops } from '../../engine/actor/drops.ts';
import { every } from '../../engine/clock.ts';
import { ConfigError } from '../../engine/errors.ts';
import { STATE } from '../../plans/protocol/channels.ts';
import type { DeviceState } from '../../plans/protocol/control-messages.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';

/** Heartbeats come every 100 ms, so within this time we hear from a device that is running. */
const QUIET_MS = 350;
/** A device that has sent heartbeats still runs unless it said that it left, or is silent for longer than a busy machine explains. */
const SILENT_MS = 3_000;
/** Time for another process to leave if it has been told to. */
const LEAVES_WITHIN_MS = 3_000;

/**
 * Resolves when no other process runs one of these devices. Otherwise, two processes with the same device would displace each other with
 * every heartbeat, and frontends would mistake that for a restart and send everything in flight again, many times a second.
 * @throws ConfigError when another process runs one and does not start to leave.
 */
export async function requireExclusiveDevices(
  { bus, clock, log }: Pick<ActorContext, 'bus' | 'clock' | 'log'>,
  subjects: Subjects,
  devices: readonly string[],
): Promise<void> {
  const refuseFrom = clock.now() + LEAVES_WITHIN_MS;
  const heard = new Set<string>();
  /** @returns how long the devices must be silent from now on. */
  const hear = ({ device, host, pid, phase }: DeviceState): number => {
    if (phase === 'left') heard.delete(device);
    else {
      const who = `process ${pid} of host ${host}`;
      if (heard.size === 0) log.warn({ device }, `already served by ${who}; waiting for it to leave`);
      heard.add(device);
      // A draining process ends on its own.
      if (phase !== 'draining' && clock.now() >= refuseFrom)
        throw new ConfigError(
          `device ${device} of ${subjects.root} is already served by ${who}: stop that process, or give one of the two deployments another name`,
        );
    }
    return heard.size === 0 ? QUIET_MS : SILENT_MS;
  };
  const alone$ = new Channels(subjects.root, { bus, drops: new Drops(log) }).receive$(STATE).pipe(
    filter(({ device }) => devices.includes(device)),
    map(hear),
    startWith(QUIET_MS),
    switchMap((ms) => every(clock, ms)),
  );
  await firstValueFrom(alone$);
}
