import { beforeEach, expect, test } from 'vitest';
import { Outbox } from '../../../../actors/frontend/outbox.ts';
import type { Bus } from '../../../../engine/bus/bus.ts';
import { checkPublish } from '../../../../engine/bus/publish-rules.ts';
import { decodeWorkFrame } from '../../../../plans/protocol/codec.ts';
import type { WorkItem } from '../../../../plans/protocol/messages.ts';
import { VirtualClock } from '../../../doubles/virtual-clock.ts';

const SPECS = [{ name: 'x', dtype: 'uint8', shape: [null], pad: 0 }] as const;

let clock: VirtualClock;
let maxPayloadBytes: number;
let frames: number[][];
let refused: string[];
let handedOver: unknown[];
/** Whether the device is in this process. */
let isHere: boolean;
let outbox: Outbox;

function itemOf(seq: number, bytes: number): WorkItem {
  return {
    seq,
    id: `r${seq}`,
    reply: 'inbox',
    json: false,
    wantScores: false,
    alone: false,
    arrivedAt: 0,
    deadlineAt: 1_000,
    queueMs: 0,
    computeMs: 0,
    opinion: undefined,
    sample: [{ data: new Uint8Array(bytes), shape: [bytes] }],
  };
}

beforeEach(() => {
  clock = new VirtualClock();
  maxPayloadBytes = 10_000;
  frames = [];
  refused = [];
  handedOver = [];
  isHere = false;
  const bus: Pick<Bus, 'maxPayloadBytes' | 'publish' | 'handOver'> = {
    get maxPayloadBytes() {
      return maxPayloadBytes;
    },
    publish: (subject, data) => {
      checkPublish(subject, '', data.length, maxPayloadBytes);
      frames.push(decodeWorkFrame(data, SPECS, clock.now()).items.map(({ seq }) => seq));
      return true;
    },
    handOver: (_, value) => {
      if (isHere) handedOver.push(value);
      return isHere;
    },
  };
  outbox = new Outbox(bus, clock, SPECS, (origin, { seq }) => refused.push(`${origin} ${seq}`));
});

test('a frame that is larger than estimated goes out in parts', () => {
  for (let seq = 0; seq < 8; seq++) outbox.add('work', 'f', itemOf(seq, 3_000), 1);
  clock.runUntil(1);
  expect(frames).toEqual([
    [0, 1],
    [2, 3],
    [4, 5],
    [6, 7],
  ]);
  expect(refused).toEqual([]);
});

test('a request that does not fit, because the server now has a lower limit, is refused, and the others go out', () => {
  maxPayloadBytes = 4_000;
  for (const [seq, bytes] of [1_000, 5_000, 1_000].entries()) outbox.add('work', 'f', itemOf(seq, bytes), 1);
  outbox.flush();
  expect(refused).toEqual([]);
  clock.runUntil(1);
  expect(frames.flat()).toEqual([0, 2]);
  expect(refused).toEqual(['f 1']);
});

test('a device in the same process gets the requests themselves, without a copy', () => {
  isHere = true;
  const items = [itemOf(0, 10), itemOf(1, 10)];
  for (const item of items) outbox.add('work', 'f', item, 1);
  outbox.flush();
  expect(handedOver).toEqual([{ origin: 'f', items }]);
  expect((handedOver[0] as { items: WorkItem[] }).items[1]).toBe(items[1]);
  expect(frames).toEqual([]);
});
