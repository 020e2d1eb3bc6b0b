import { expect, test } from 'vitest';
import type { Channels } from '../../../../engine/actor/channel.ts';
import { CHANNELS, GEAR, STATE } from '../../../../plans/protocol/channels.ts';
import { channelsPage } from '../../../../plans/protocol/reference.ts';
import { PATTERNS } from '../../../../plans/protocol/subject-patterns.ts';

test('every subject has a channel, and every channel a subject', () => {
  for (const [name, pattern] of Object.entries(PATTERNS)) expect(CHANNELS[name as keyof typeof CHANNELS].pattern).toBe(pattern);
});

test.each(Object.values(CHANNELS).map((channel) => [channel.pattern, channel] as const))(
  'the example of .%s arrives as sent',
  (_, { codec, example }) => {
    const sent = (codec.encode as (message: unknown) => Uint8Array)(example);
    expect(codec.decode(sent)).toEqual(example);
  },
);

test('docs/channels.md is what the declarations say', async () => {
  await expect(channelsPage()).toMatchFileSnapshot('../../../../docs/channels.md');
});

test('a wrong message, a missing parameter and a wrong parameter do not compile', () => {
  const check = (channels: Channels): void => {
    channels.send(STATE, STATE.example, { device: 'cpu-0' });
    // @ts-expect-error A gear is no heartbeat.
    channels.send(STATE, GEAR.example, { device: 'cpu-0' });
    // @ts-expect-error Of which device?
    channels.send(STATE, STATE.example);
    // @ts-expect-error The parameter is called device.
    channels.send(STATE, STATE.example, { model: 'cpu-0' });
    // @ts-expect-error There is one gear.
    channels.send(GEAR, GEAR.example, { device: 'cpu-0' });
  };
  expect(check).toBeTypeOf('function');
});
