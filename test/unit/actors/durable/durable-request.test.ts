import { describe, expect, it } from 'vitest';
import { durableId, durableReplyTo, readDurableRequest, wantsJson } from '../../../../actors/durable/durable-request.ts';
import type { QueuedMessage } from '../../../../engine/bus/work-queue.ts';
import { encode } from '../../../../plans/protocol/codec.ts';
import { subjectsOf } from '../../../../plans/protocol/subjects.ts';

const subjects = subjectsOf('test');
const NOTHING = (): void => undefined;

function stored(body: unknown, headers: Record<string, string> = {}): QueuedMessage {
  return {
    stream: 'cascade_test_durable',
    sequence: 7,
    storedAt: 1_000,
    deliveries: 1,
    data: body instanceof Uint8Array ? body : typeof body === 'string' ? Buffer.from(body) : encode(body),
    header: (name) => headers[name],
    ageMs: async () => 0,
    done: NOTHING,
    retry: NOTHING,
    abandon: NOTHING,
  };
}

const read = (body: unknown, headers?: Record<string, string>) => readDurableRequest(stored(body, headers), subjects);
const replyTo = (headers?: Record<string, string>) => durableReplyTo(stored(REQUEST, headers), subjects);
const REQUEST = { inputs: { x: 1 } };

describe('a stored request', () => {
  it('has its position in the stream as id, so that each try has the same, unless a header names one', () => {
    expect(read(REQUEST).id).toBe('cascade_test_durable-7');
    expect(read(REQUEST, { 'Cascade-Id': 'mine' }).id).toBe('mine');
    expect(() => read(REQUEST, { 'Cascade-Id': 'x'.repeat(129) })).toThrow(/id: 129 characters/);
  });

  it('has the deadline of its header, else of its body', () => {
    const body = { ...REQUEST, deadlineMs: 250 };
    expect(read(REQUEST).deadlineMs).toBe(Number.POSITIVE_INFINITY);
    expect(read(body).deadlineMs).toBe(250);
    expect(read(JSON.stringify(body)).deadlineMs).toBe(250);
    expect(read(body, { 'Cascade-Deadline-Ms': '90' }).deadlineMs).toBe(90);
    expect(read('{"deadlineMs": 1', {}).deadlineMs).toBe(Number.POSITIVE_INFINITY);
  });

  it('is answered on the results subject, the named one, or the subject in a header', () => {
    expect(replyTo()).toBe('cascade.test.results');
    expect(replyTo({ 'Cascade-Results': 'billing' })).toBe('cascade.test.results.billing');
    expect(replyTo({ 'Cascade-Reply': 'billing.answers' })).toBe('billing.answers');
  });

  it.each(['cascade.test.control.gear', 'cascade.test.durable', '$JS.API.STREAM.DELETE.x', 'a.*', 'a b'])(
    'may not be answered on %j',
    (reply) => {
      expect(() => replyTo({ 'Cascade-Reply': reply })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    },
  );

  it('counts its deadline from when it was stored', () => {
    expect(read(REQUEST).deadlineMs).toBe(Number.POSITIVE_INFINITY);
    expect(read(REQUEST, { 'Cascade-Deadline-Ms': '250' }).deadlineMs).toBe(250);
    for (const wrong of ['', '0', '-1', 'soon', 'NaN'])
      expect(() => read(REQUEST, { 'Cascade-Deadline-Ms': wrong })).toThrow(/header Cascade-Deadline-Ms: .* use milliseconds/);
  });

  it.each([
    ['JSON', ' [{"inputs":{}}]'],
    ['MessagePack', [REQUEST]],
    ['a long list', Array(20).fill(REQUEST)],
  ])('is a single request: %s of many is refused', (_, body) => {
    expect(() => read(body)).toThrow(/a list of requests on cascade\.test\.durable/);
  });

  it('may begin like a list if it is raw bytes', () => {
    expect(read(Uint8Array.of(0x5b, 1), { 'Content-Type': 'application/octet-stream' }).id).toBe('cascade_test_durable-7');
  });

  it('is refused if its headers cannot be read', () => {
    const message = { ...stored(REQUEST), headersProblem: '"My Key" is not a name' };
    expect(() => readDurableRequest(message, subjects)).toThrow(
      'headers: "My Key" is not a name; use names of printable ASCII without spaces or colons, and values without line breaks',
    );
    expect(durableReplyTo(message, subjects)).toBe('cascade.test.results');
  });

  it('is answered in JSON if it is JSON', () => {
    expect(wantsJson(stored('{"inputs":{}}'))).toBe(true);
    expect(wantsJson(stored(REQUEST))).toBe(false);
    expect(wantsJson(stored(Uint8Array.of(1), { 'Content-Type': 'application/octet-stream' }))).toBe(false);
  });

  it('is answered in the encoding of its Accept header', () => {
    expect(wantsJson(stored(REQUEST, { Accept: 'application/json' }))).toBe(true);
    expect(wantsJson(stored('{"inputs":{}}', { Accept: 'application/msgpack' }))).toBe(false);
  });
});

it('is identified to its sender by the id in the body, in the header, or by its position', () => {
  expect(durableId(stored({ ...REQUEST, id: 'body' }, { 'Cascade-Id': 'header' }))).toBe('body');
  expect(durableId(stored('{"id": "json"}'))).toBe('json');
  expect(durableId(stored(REQUEST, { 'Cascade-Id': 'header' }))).toBe('header');
  expect(durableId(stored('{"id": "\\ud83d"}'))).toBe('cascade_test_durable-7');
  expect(durableId(stored('{"broken'))).toBe('cascade_test_durable-7');
  expect(durableId(stored(Uint8Array.of(0xc1), { 'Cascade-Id': 'x'.repeat(200) }))).toBe('cascade_test_durable-7');
});
