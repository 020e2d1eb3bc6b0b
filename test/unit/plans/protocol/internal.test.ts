import { describe, expect, test } from 'vitest';
import { encode } from '../../../../plans/protocol/codec.ts';
import { decodeState } from '../../../../plans/protocol/internal.ts';
import { deviceState } from '../../../support/plans.ts';

describe('a heartbeat', () => {
  test('arrives as it was sent', () => {
    const state = deviceState({ slowdown: 1.9, starvedShare: 0.4 });
    expect(decodeState(encode(state))).toEqual(state);
  });

  test('of a version that does not measure its speed counts as profiled: a rolling update loses no device', () => {
    const { slowdown, starvedShare, ...older } = deviceState({ slowdown: 3, starvedShare: 0.5 });
    expect(decodeState(encode(older))).toEqual(deviceState({ slowdown: 1, starvedShare: null }));
  });

  test.each([
    ['slowdown', null],
    ['slowdown', 0],
    ['slowdown', '2'],
    ['starvedShare', -1],
    ['starvedShare', 'no'],
  ])('with %s %j is refused by the name of the field', (field, value) => {
    expect(() => decodeState(encode({ ...deviceState(), [field]: value }))).toThrow(field);
  });
});
