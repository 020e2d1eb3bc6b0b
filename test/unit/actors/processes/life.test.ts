import { expect, test } from 'vitest';
import { runUntilShutdown } from '../../../../actors/processes/life.ts';
import type { Supervisor } from '../../../../engine/actor/supervisor.ts';
import { ActorGivenUp } from '../../../../engine/errors.ts';
import { silentLogger } from '../../../../engine/log.ts';

test('a role whose actor is given up drains its parts in order, then ends with the reason', async () => {
  const stopped: string[] = [];
  const part = (name: string, failed: Promise<Error>): Supervisor => ({
    actors: [],
    failed,
    stop: async () => {
      stopped.push(name);
      return [];
    },
  });
  const never = new Promise<Error>(() => undefined);
  const reason = new ActorGivenUp('actor d died too often');
  await expect(runUntilShutdown([part('frontend', never), part('device', Promise.resolve(reason))], silentLogger)).rejects.toBe(
    reason,
  );
  expect(stopped).toEqual(['frontend', 'device']);
});
