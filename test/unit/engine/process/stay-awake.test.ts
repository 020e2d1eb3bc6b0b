import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { stayAwake } from '../../../../engine/process/stay-awake.ts';

test('asks each turn whether there is still nothing to do, and stops when there is something', async () => {
  const awake = stayAwake(60_000);
  let asked = 0;
  awake(() => ++asked < 5);
  while (asked < 5) await setImmediate();
  await setImmediate();
  await setImmediate();
  expect(asked).toBe(5);
  // It starts again when told to.
  awake(() => ++asked < 8);
  while (asked < 8) await setImmediate();
});

test('stops by itself, and polls once however often it is told to', async () => {
  const awake = stayAwake(0);
  let asked = 0;
  const idle = (): boolean => {
    asked++;
    return true;
  };
  awake(idle);
  awake(idle);
  await setImmediate();
  await setImmediate();
  expect(asked).toBe(1);
});

test('lets events run in between', async () => {
  const { port1, port2 } = new MessageChannel();
  let come = false;
  stayAwake(60_000)(() => !come);
  port2.postMessage('something');
  await once(port1, 'message');
  come = true;
  port1.close();
});
