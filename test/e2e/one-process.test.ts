import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { type Ended, startCascade } from '../support/cascade.ts';
import { writeEmulatedPair } from '../support/emulated-pair.ts';
import { expectNothingLost } from '../support/report-fields.ts';
import { loadFor2s, pauseAndReplace, type Settled, startTwo } from '../support/rivals.ts';

/** Two `serve` processes for one deployment: only one process runs each device. */
const folder = mkdtempSync(join(tmpdir(), 'cascade-one-process-'));
let server: NatsServer;

beforeAll(async () => {
  server = await startNatsServer();
  await writeEmulatedPair(folder, { name: 'one', nats: `{ servers: [${server.url}] }`, frontends: 'in-devices' });
});

afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true });
});

const SAYS_WHY = /is also run by process \d+ of host local|is served already/;

function expectLeft({ code, stderr }: Ended): void {
  expect(code, stderr).toBe(2);
  expect(stderr).toMatch(SAYS_WHY);
}

async function expectOneServes({ stays, end }: Settled): Promise<void> {
  expectLeft(end);
  expectNothingLost(await loadFor2s(folder));
  expect((await stays.stop()).code).toBe(0);
}

test('of two started at the same instant, one stays each time, and answers each request once', async () => {
  for (let round = 0; round < 2; round++) await expectOneServes(await startTwo(folder));
});

test('one that was paused and replaced meanwhile leaves when it comes back', async () => {
  const settled = await pauseAndReplace(folder);
  expect(settled.replacementStays).toBe(true);
  await expectOneServes(settled);
});

test('a device process started by hand leaves with the same exit code', async () => {
  const pair = [0, 1].map(() => startCascade(['serve', folder, '--role', 'device', '--device', 'a,b', '--log-level', 'warn']));
  expectLeft(await Promise.race(pair.map(({ ended }) => ended)));
  const ends = await Promise.all(pair.map((each) => each.stop()));
  expect(ends.map(({ code }) => code).toSorted(), ends.map(({ stderr }) => stderr).join('')).toEqual([0, 2]);
});
