import { expect, test } from 'vitest';
import { ClientNumbers, isFromStore } from '../../../../plans/protocol/client-of.ts';

const clients = new ClientNumbers();
const by = (reply: string, info?: unknown): number =>
  clients.of({
    reply,
    header: (name) =>
      name !== 'Nats-Request-Info' || info === undefined ? undefined : typeof info === 'string' ? info : JSON.stringify(info),
  });
const told = { acc: 'CLIENTS', user: 'client', name: 'shop', server: 'S', id: 7, rtt: 1 };

test('a client is identified by its inbox: the reply subject without its last token', () => {
  expect(by('_INBOX.abc.1')).toBe(by('_INBOX.abc.2'));
  expect(by('_INBOX.abc.1')).not.toBe(by('_INBOX.abd.1'));
  expect(by('_INBOX.client.abc.1')).not.toBe(by('_INBOX.client.abd.1'));
  expect(by('')).toBe(by('answers'));
});

test('if NATS says who it is: by account, user and connection name, whatever the reply subject', () => {
  expect(by('_R_.x.1', told)).toBe(by('_R_.y.2', { ...told, rtt: 2, id: 8 }));
  for (const other of [{ acc: 'OTHERS' }, { user: 'guest' }, { name: 'till' }])
    expect(by('_R_.x.1', told)).not.toBe(by('_R_.x.1', { ...told, ...other }));
});

test('connections without a name are distinguished', () => {
  const { name: _, ...unnamed } = told;
  expect(by('_R_.x.1', unnamed)).toBe(by('_R_.x.2', { ...unnamed, rtt: 5 }));
  expect(by('_R_.x.1', unnamed)).not.toBe(by('_R_.x.1', { ...unnamed, id: 8 }));
});

test('a header that no server would write is ignored', () => {
  for (const odd of ['', 'soon', '{', 'null', '[]', '7', {}, { user: 'x' }, { ...told, name: 'x'.repeat(5_000) }])
    expect(by('_INBOX.abc.1', odd)).toBe(by('_INBOX.abc.1'));
});

test('a request counts as stored only if it says so and is from our own account', () => {
  const isStored = (reply: string, headers: Readonly<Record<string, string>>): boolean =>
    isFromStore({ reply, header: (name) => headers[name] });
  const claim = { 'Cascade-Stored': 'true' };
  expect(isStored('_INBOX.abc.1', claim)).toBe(true);
  expect(isStored('_INBOX.abc.1', {})).toBe(false);
  // From another account, with and without `share: true`.
  expect(isStored('_INBOX.abc.1', { ...claim, 'Nats-Request-Info': JSON.stringify(told) })).toBe(false);
  expect(isStored('_R_.x.1', claim)).toBe(false);
  expect(isStored('', claim)).toBe(false);
});
