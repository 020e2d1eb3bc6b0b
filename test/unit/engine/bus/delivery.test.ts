import { expect, it } from 'vitest';
import { parseDelivery } from '../../../../engine/bus/delivery.ts';

const expected = { stream: 'jobs', deliveries: 3, sequence: 17, storedAt: 1_700_000_000_123 };

it('reads the reply subject of a delivered message', () => {
  expect(parseDelivery('$JS.ACK.jobs.workers.3.17.20.1700000000123456789.5')).toEqual(expected);
});

it('reads that of newer servers, with domain and account', () => {
  expect(parseDelivery('$JS.ACK._.ACCOUNT.jobs.workers.3.17.20.1700000000123456789.5.token')).toEqual(expected);
});

it.each(['', '_INBOX.a.b', '$JS.ACK.jobs.workers', '$JS.API.STREAM.INFO.a.b.c.d.e'])('does not take %j for one', (reply) => {
  expect(parseDelivery(reply)).toBeUndefined();
});
