import { expect, test } from 'vitest';
import { Drops } from '../../../../engine/actor/drops.ts';
import { Mailbox, MESSAGES_PER_SLICE, SLICE_MS } from '../../../../engine/actor/mailbox.ts';
import { silentLogger } from '../../../../engine/log.ts';
import { VirtualClock } from '../../../doubles/virtual-clock.ts';

function open(
  size: number,
  onMessage: (message: number, mailbox: Mailbox<number>) => void = () => undefined,
): { clock: VirtualClock; drops: Drops; handled: number[]; mailbox: Mailbox<number> } {
  const clock = new VirtualClock();
  const drops = new Drops(silentLogger);
  const handled: number[] = [];
  const mailbox: Mailbox<number> = new Mailbox(
    (message) => {
      handled.push(message);
      onMessage(message, mailbox);
    },
    { clock, drops, size },
  );
  return { clock, drops, handled, mailbox };
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

test('an idle actor handles a message at once', () => {
  const { handled, mailbox } = open(10);
  mailbox.offer(1);
  expect(handled).toEqual([1]);
});

test('a message that arrives while another is handled waits until that is done', () => {
  const log: string[] = [];
  const { mailbox } = open(10, (message, box) => {
    log.push(`${message} begins`);
    if (message === 1) box.offer(2);
    log.push(`${message} ends`);
  });
  mailbox.offer(1);
  expect(log).toEqual(['1 begins', '1 ends', '2 begins', '2 ends']);
});

test('a flood is handled in slices, in order, and what does not fit is dropped and counted', () => {
  const { clock, drops, handled, mailbox } = open(100);
  const sent = upTo(MESSAGES_PER_SLICE + 130);
  for (const message of sent) mailbox.offer(message);
  expect(handled).toHaveLength(MESSAGES_PER_SLICE);
  expect(drops.counts).toEqual({ 'mailbox full': 30 });
  clock.runUntil(SLICE_MS);
  expect(handled).toEqual(upTo(MESSAGES_PER_SLICE + 100));
  expect(drops.counts).toEqual({ 'mailbox full': 30 });
});

test('messages that the core waits for are never dropped', () => {
  const { clock, drops, handled, mailbox } = open(1);
  for (const message of upTo(MESSAGES_PER_SLICE + 1)) mailbox.offer(message);
  mailbox.put(-1);
  clock.runUntil(SLICE_MS);
  expect(handled.slice(-2)).toEqual([MESSAGES_PER_SLICE, -1]);
  expect(drops.counts).toEqual({});
});

test('a closed mailbox handles nothing more', () => {
  const { clock, handled, mailbox } = open(10);
  for (const message of upTo(MESSAGES_PER_SLICE + 1)) mailbox.offer(message);
  mailbox.close();
  clock.runUntil(1_000);
  expect(handled).toHaveLength(MESSAGES_PER_SLICE);
});
