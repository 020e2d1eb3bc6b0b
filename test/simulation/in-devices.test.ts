import { expect, test } from 'vitest';
import { decodeAnswers } from '../../actors/client/answers.ts';
import { exitHungProcess } from '../../actors/processes/exit-hung-process.ts';
import { createRandom } from '../../engine/random.ts';
import { encode } from '../../plans/protocol/codec.ts';
import { VirtualClock } from '../doubles/virtual-clock.ts';
import { scriptedBackend } from '../support/plane.ts';
import { planOf } from '../support/plans.ts';
import { startVirtualPlane } from '../support/virtual-plane.ts';
import { FaultyBus } from './support/faulty-bus.ts';
import { FaultyNetwork } from './support/faulty-network.ts';
import { ProcessClock } from './support/process-clock.ts';

/** A frontend and a device in one process: requests go from one to the other without the server. */

test('an answer lost with the connection is sent again, because its frontend has not heard that the request has ended', async () => {
  const clock = new VirtualClock();
  const ignore = (): void => undefined;
  let said = 0;
  const arrived = new Set<string>();
  const network = new FaultyNetwork({
    clock,
    random: createRandom(1),
    watch: {
      published: (_, { subject }) => {
        // The link breaks under the first answer, and the process notices only after it has sent the note to the frontend, too.
        if (subject === 'asker' && said++ === 0) bus.disconnect({ arriving: 0, noticedMs: 20, serverNoticesMs: 20, downMs: 50 });
      },
      arrived: ({ subject }) => arrived.add(subject),
      delivered: ignore,
      duplicated: ignore,
      lost: ignore,
    },
  });
  const connect = (name: string): FaultyBus =>
    new FaultyBus(network, name, new ProcessClock(clock), { baseMs: 0.25, jitterMs: 0 });
  const bus = connect('process');
  const asker = connect('asker');
  const answered: string[] = [];
  asker.messages$('asker').subscribe(({ data }) => answered.push(...decodeAnswers(data).map(({ id }) => id)));
  const plane = await startVirtualPlane(planOf({ models: ['small'] }), { clock, bus });
  asker.publish('cascade.test.infer', encode({ id: 'once', inputs: { x: Uint8Array.of(1, 90) } }), { reply: 'asker' });
  await plane.runUntil(5_000);
  // Lost, and sent again.
  expect(said).toBe(2);
  expect(answered).toEqual(['once']);
  expect(arrived).toContain('cascade.test.done.f0');
  expect(arrived).not.toContain('cascade.test.work.d0.small');
});

test('before a process with a hung device ends, another device answers the requests its frontend had there', async () => {
  const clock = new VirtualClock();
  const endings: { at: number; answered: string[] }[] = [];
  let hangs = false;
  const plane = await startVirtualPlane(planOf({ models: ['small'], devices: ['a', 'b'] }), {
    clock,
    createBackend: (device) => scriptedBackend(clock, ['small'], () => (hangs && device === 'a' ? 1e9 : 5)),
    device: {
      onHung: () =>
        exitHungProcess(plane.frontends, plane.bus, clock, () =>
          endings.push({ at: clock.now(), answered: plane.answers.map(({ answer }) => answer.id).sort() }),
        ),
    },
  });
  hangs = true;
  // Every other request goes to the device that hangs.
  for (const id of ['r0', 'r1', 'r2', 'r3']) plane.infer(id, [1, 90]);
  await plane.runUntil(2_000);
  expect(plane.answers).toHaveLength(2);
  await plane.runUntil(5_000);
  expect(endings[0].answered).toEqual(['r0', 'r1', 'r2', 'r3']);
  expect(endings[0].at).toBeLessThan(2_500);
});
