import { describe, expect, test } from 'vitest';
import { COMMIT, DONE, GEAR, LOAD, PREPARED, STATE } from '../../../../plans/protocol/channels.ts';
import { encode } from '../../../../plans/protocol/codec.ts';
import type {
  DeviceState,
  GearMessage,
  LoadReport,
  PlanVerdict,
  PreparedMessage,
} from '../../../../plans/protocol/control-messages.ts';
import type { DoneFrame } from '../../../../plans/protocol/messages.ts';
import { deviceState } from '../../../support/plans.ts';

describe('a heartbeat', () => {
  test('arrives as sent', () => {
    const state = deviceState({ slowdown: 1.9, starvedShare: 0.4 });
    expect(STATE.codec.decode(encode(state))).toEqual(state);
  });

  test('from a version that does not measure speed counts as profiled, so that a rolling update loses no device', () => {
    const { slowdown, starvedShare, ...older } = deviceState({ slowdown: 3, starvedShare: 0.5 });
    expect(STATE.codec.decode(encode(older))).toEqual(deviceState({ slowdown: 1, starvedShare: null }));
  });

  test.each([
    ['slowdown', null],
    ['slowdown', 0],
    ['slowdown', '2'],
    ['starvedShare', -1],
    ['starvedShare', 'no'],
  ])('with %s %j is refused, naming the field', (field, value) => {
    expect(() => STATE.codec.decode(encode({ ...deviceState(), [field]: value }))).toThrow(field);
  });
});

describe('each field that a receiver computes with', () => {
  const done: DoneFrame = { device: 'a', finished: [1, 2], dropped: 1, moved: [{ device: 'b', seqs: [3] }] };
  const load: LoadReport = { frontend: 'f', pid: 1, intervalMs: 100, arrivals: 3 };
  const gear: GearMessage = { revision: 1, gear: 0, epoch: 2, decidedAt: 5 };
  const prepared: PreparedMessage = { revision: 1, device: 'a', incarnation: 'x' };
  const verdict: PlanVerdict = { revision: 1 };
  const messages: readonly [kind: string, decode: (data: Uint8Array) => unknown, good: object][] = [
    ['done', DONE.codec.decode, done],
    ['load', LOAD.codec.decode, load],
    ['gear', GEAR.codec.decode, gear],
    ['prepared', PREPARED.codec.decode, prepared],
    ['verdict', COMMIT.codec.decode, verdict],
    ['state', STATE.codec.decode, deviceState()],
  ];
  /** Fields that older versions leave out, and their defaults. */
  const optional: readonly (keyof DeviceState)[] = ['claim', 'absences', 'slowdown', 'starvedShare', 'dropped', 'certainties'];
  const fields = messages.flatMap(([kind, decode, good]) =>
    Object.entries(good)
      .filter(([field]) => !(optional as readonly string[]).includes(field) || kind !== 'state')
      .map(([field, value]) => ({ kind, field, value, decode, good })),
  );

  test.each(messages)('%s arrives as sent', (_, decode, good) => {
    expect(decode(encode(good))).toEqual(good);
  });

  test.each(fields)('$kind without $field is refused, naming the field', ({ field, decode, good }) => {
    const { [field as never]: _, ...rest } = good;
    expect(() => decode(encode(rest))).toThrow(field);
  });

  test.each(fields.filter(({ value }) => typeof value === 'number'))(
    '$kind with a $field that is not a number is refused, naming the field',
    ({ field, decode, good }) => {
      for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, 'many', null, [1]])
        expect(() => decode(encode({ ...good, [field]: wrong })), String(wrong)).toThrow(field);
    },
  );

  test.each([-1, 1.5, 3])('done that says %d of its two were dropped is refused', (dropped) => {
    expect(() => DONE.codec.decode(encode({ ...done, dropped }))).toThrow('dropped');
  });
});
