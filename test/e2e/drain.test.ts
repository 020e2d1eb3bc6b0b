import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ServedFashion, serveFashion } from '../support/fashion.ts';
import { expectAllAnswered } from '../support/report-fields.ts';
import { BACK_WITHIN_MS, signalUnderLoad, statusThat } from '../support/signal-under-load.ts';

/** Two devices and two frontends, each its own process, with the real models: when one leaves, the others take over. */
let served: ServedFashion;

beforeAll(async () => {
  served = await serveFashion('drain', '2', { qpsMax: 1_200, ranges: 4 });
  expect(served.firstLine).toMatch(/^cascade drain is ready: 2 frontends, devices a, b/);
});

afterAll(() => served?.close());

const TEST_MS = 3 * BACK_WITHIN_MS;

test(
  'SIGTERM to a device process drains it without losing a request; it comes back',
  async () => {
    const { devices: atFirst } = await statusThat(served, ({ devices }) => expect(devices).toHaveLength(2));
    const before = atFirst.find(({ device }) => device === 'a');
    const report = await signalUnderLoad(served, before!.pid, 'SIGTERM', ({ devices }) => {
      const after = devices.find(({ device }) => device === 'a');
      expect(after).toMatchObject({ phase: 'ready' });
      expect(after!.pid).not.toBe(before!.pid);
    });
    expectAllAnswered(report);
  },
  TEST_MS,
);

test(
  'SIGTERM to a frontend process drains it without losing a request; another takes its place',
  async () => {
    const before = await statusThat(served, ({ frontends }) => expect(frontends).toHaveLength(2));
    const report = await signalUnderLoad(served, before.frontends[0].pid, 'SIGTERM', ({ frontends }) => {
      expect(frontends).toHaveLength(2);
      expect(frontends.map(({ pid }) => pid)).not.toContain(before.frontends[0].pid);
    });
    expectAllAnswered(report);
  },
  TEST_MS,
);
