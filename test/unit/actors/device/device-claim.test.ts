import { describe, expect, test } from 'vitest';
import { DeviceClaim } from '../../../../actors/device/device-claim.ts';
import type { DeviceState } from '../../../../plans/protocol/control-messages.ts';
import { deviceState } from '../../../support/plans.ts';

/** Whether a claim loses to a rival that reports every 100 ms for half a second. */
function loses(claim: DeviceClaim, rival: Partial<DeviceState>, ready = true, from = 0): boolean {
  const verdicts = [0, 100, 200, 300, 400, 500].map((ms) => claim.losesTo(deviceState(rival), ready, from + ms));
  return verdicts.includes(true);
}

describe('of two processes with one device', () => {
  test('the one whose claim comes first stays', () => {
    expect(loses(new DeviceClaim('b'), { claim: 'a' })).toBe(true);
    expect(loses(new DeviceClaim('a'), { claim: 'b' })).toBe(false);
  });

  test('the one that was away less often stays', () => {
    const away = new DeviceClaim('a');
    away.away();
    expect(loses(away, { claim: 'b' })).toBe(true);
    expect(loses(new DeviceClaim('b'), { claim: 'a', absences: 1 })).toBe(false);
  });

  test('both come to the same conclusion', () => {
    for (const [a, b] of [
      [0, 0],
      [1, 0],
      [1, 1],
      [1, 2],
    ]) {
      const [first, second] = [new DeviceClaim('x'), new DeviceClaim('y')];
      for (let i = 0; i < a; i++) first.away();
      for (let i = 0; i < b; i++) second.away();
      const heard = ({ id, absences }: DeviceClaim) => ({ claim: id, absences });
      expect(loses(first, heard(second))).toBe(!loses(second, heard(first)));
    }
  });

  test('the one that serves waits until the other one does', () => {
    expect(loses(new DeviceClaim('b'), { claim: 'a', phase: 'loading' })).toBe(false);
    expect(loses(new DeviceClaim('b'), { claim: 'a', phase: 'loading' }, false)).toBe(true);
  });
});

test('of two processes with two devices each, only one leaves, also if one of its devices was away', () => {
  const running = ['p', 'q'].flatMap((id) => ['a', 'b'].map((device) => ({ device, claim: new DeviceClaim(id) })));
  running[0].claim.away();
  const left = new Set<string>();
  for (let ms = 0; ms < 1_000; ms += 100) {
    for (const { device, claim } of running) {
      const state = deviceState({ device, claim: claim.id, absences: claim.absences });
      for (const other of running) {
        other.claim.hear(state, ms);
        if (other.device === device && other.claim.losesTo(state, true, ms)) left.add(other.claim.id);
      }
    }
  }
  expect([...left]).toEqual(['p']);
});

test('of three processes with one device, whose heartbeats alternate, only the one whose claim comes first stays', () => {
  const claims = ['a', 'b', 'c'].map((id) => new DeviceClaim(id));
  const left = new Set<string>();
  for (let ms = 0; ms < 1_000; ms += 50) {
    for (const { id: claim } of claims.filter(({ id }) => !left.has(id)))
      for (const other of claims) if (other.losesTo(deviceState({ claim }), true, ms)) left.add(other.id);
  }
  expect([...left].sort()).toEqual(['b', 'c']);
});

test('a rival that was silent for long, or left, must be seen anew', () => {
  const claim = new DeviceClaim('b');
  const hear = (ms: number, phase: DeviceState['phase'] = 'ready') => claim.losesTo(deviceState({ claim: 'a', phase }), true, ms);
  expect([hear(0), hear(100), hear(2_000), hear(2_100)]).toEqual([false, false, false, false]);
  expect([hear(2_200, 'left'), hear(2_300), hear(2_400)]).toEqual([false, false, false]);
  expect(hear(2_550)).toBe(true);
});

test('a process that leaves, or has the same claim, is no rival', () => {
  for (const phase of ['draining', 'left'] as const) expect(loses(new DeviceClaim('b'), { claim: 'a', phase })).toBe(false);
  expect(loses(new DeviceClaim('b'), { claim: 'b', pid: 2 })).toBe(false);
});

test('old heartbeats that arrive all at once decide nothing', () => {
  const claim = new DeviceClaim('b');
  for (let i = 0; i < 100; i++) expect(claim.losesTo(deviceState({ claim: 'a' }), true, 1_000 + i)).toBe(false);
  // Received before the pause, and read only after it.
  claim.away();
  expect(claim.losesTo(deviceState({ claim: 'a' }), true, 9_000)).toBe(false);
});
