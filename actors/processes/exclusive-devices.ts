import { filter, firstValueFrom, map, startWith, switchMap } from 'rxjs';
import type { ActorContext } from '../../engine/actor/actor.ts';
import { Channels } from '../../engine/actor/channel.ts';
import { Drops } from '../../engine/actor/drops.ts';
import { every } from '../../engine/clock.ts';
import { ConfigError } from '../../engine/errors.ts';
import { STATE } from '../../plans/protocol/channels.ts';
import type { DeviceState } from '../../plans/protocol/control-messages.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';

/** A device that is there is heard in this time: heartbeats come every 100 ms. */
const QUIET_MS = 350;
/** One that was heard and has not said that it left is there, unless it is silent for longer than a busy machine makes it. */
const SILENT_MS = 3_000;
/** Whoever is told to leave for the sake of the one who comes has time for it. */
const LEAVES_WITHIN_MS = 3_000;

/**
 * Resolves when no other process runs one of these devices. Two of one name would take each other's place with each heartbeat:
 * frontends would take that for a restart, and send all that is in flight again, many times a second.
 * @throws ConfigError when one does, and does not begin to leave.
 */
export async function requireExclusiveDevices(
  { bus, clock, log }: Pick<ActorContext, 'bus' | 'clock' | 'log'>,
  subjects: Subjects,
  devices: readonly string[],
): Promise<void> {
  const refuseFrom = clock.now() + LEAVES_WITHIN_MS;
  const heard = new Set<string>();
  /** @returns how long the devices must be silent now. */
  const hear = ({ device, host, pid, phase }: DeviceState): number => {
    if (phase === 'left') heard.delete(device);
    else {
      const who = `process ${pid} of host ${host}`;
      if (heard.size === 0) log.warn({ device }, `served already, by ${who}; waiting for it to leave`);
      heard.add(device);
      // One that drains ends by itself.
      if (phase !== 'draining' && clock.now() >= refuseFrom)
        throw new ConfigError(
          `device ${device} of ${subjects.root} is served already, by ${who}: stop that one, or give one of the two deployments another name`,
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
