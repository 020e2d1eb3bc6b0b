import { expect, test } from 'vitest';
import { Readiness } from '../../../../actors/gateway/readiness.ts';

function ready(): Readiness {
  const readiness = new Readiness();
  readiness.onStatus('up');
  readiness.onProbe(undefined);
  readiness.onLoad('f', 0);
  readiness.onState({ device: 'd', phase: 'ready' }, 0);
  return readiness;
}

test('is ready when everything is up', () => {
  expect(ready().problem(10)).toBeUndefined();
});

test('says what is missing', () => {
  const readiness = new Readiness();
  expect(readiness.problem(0)).toMatch(/no connection/);
  readiness.onStatus('up');
  expect(readiness.problem(0)).toMatch(/no answer to a warm-up sample/);
  readiness.onProbe('late');
  expect(readiness.problem(0)).toBe('late');
  readiness.onProbe(undefined);
  expect(readiness.problem(0)).toMatch(/no frontend/);
  readiness.onLoad('f', 0);
  expect(readiness.problem(0)).toMatch(/no warmed-up device/);
  readiness.onState({ device: 'd', phase: 'loading' }, 0);
  expect(readiness.problem(0)).toMatch(/no warmed-up device/);
});

test('is not ready without a connection, while draining, after a silence, or when the last device drains', () => {
  const cut = ready();
  cut.onStatus('down');
  expect(cut.problem(10)).toMatch(/no connection/);
  const draining = ready();
  draining.onDraining();
  expect(draining.problem(10)).toMatch(/draining/);
  const silent = ready();
  silent.onLoad('f', 5_000);
  expect(silent.problem(5_000)).toMatch(/no warmed-up device/);
  const left = ready();
  left.onState({ device: 'd', phase: 'draining' }, 5);
  expect(left.problem(10)).toMatch(/no warmed-up device/);
});

test('without heartbeats, only the probe counts', () => {
  const readiness = new Readiness();
  readiness.onStatus('up');
  readiness.onProbe(undefined);
  readiness.onHeartbeatsDenied();
  expect(readiness.problem(1e6)).toBeUndefined();
  readiness.onProbe('late');
  expect(readiness.problem(1e6)).toBe('late');
});
