import { pack } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { Intake, type Opened } from '../../../../actors/frontend/intake.ts';
import { subjectsOf } from '../../../../plans/protocol/subjects.ts';

const subjects = subjectsOf('test');
const intake = new Intake({
  subjects,
  specs: [{ name: 'x', dtype: 'uint8', shape: [2] }],
  maxPayloadBytes: 10_000,
});

function open(
  data: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
  closedForMs: (sender: number) => number | undefined = () => undefined,
): Opened {
  return intake.open({ subject: subjects.infer, reply: 'inbox.1', data, header: (name) => headers[name] }, closedForMs);
}

const request = { id: 'a', inputs: { x: [1, 2] } };

describe('Intake', () => {
  it.each([
    ['MessagePack', pack(request), false],
    ['JSON', Buffer.from(JSON.stringify(request)), true],
  ])('opens a request in %s, to be answered in the same encoding', (_, data, json) => {
    const { type, ...opened } = open(data, { 'Cascade-Deadline-Ms': '50', 'Cascade-Id': 'b' });
    expect(type).toBe('requests');
    expect(opened).toMatchObject({
      values: [request],
      envelope: { reply: 'inbox.1', json, id: 'b', deadlineMs: 50, bytes: data.length },
    });
  });

  it('opens a frame, ignoring the id in the header', () => {
    expect(open(pack([request, request]), { 'Cascade-Id': 'b' })).toMatchObject({
      type: 'requests',
      values: [request, request],
      envelope: { id: undefined },
    });
  });

  it('opens raw bytes as the only input', () => {
    const data = Uint8Array.of(1, 2);
    const opened = open(data, { 'Content-Type': 'application/octet-stream' });
    expect(opened).toMatchObject({ type: 'requests', values: [{ inputs: { x: data } }], envelope: { json: false } });
  });

  it.each([
    ['an empty frame', pack([]), {}, 'this one is empty'],
    ['numbers that somebody took for a request', pack([1, 2]), {}, 'a request is a map'],
    ['more than may be in a message', new Uint8Array(6_000), {}, 'at most 5904 are accepted'],
    ['a deadline that is not a number', pack(request), { 'Cascade-Deadline-Ms': 'soon' }, 'soon'],
    ['an answer that we cannot give', pack(request), { Accept: 'image/png' }, 'image/png'],
  ])('says what is wrong with %s, under the id in the header', (_, data, headers, words) => {
    const opened = open(data, { 'Cascade-Id': 'b', ...headers });
    expect(opened).toMatchObject({ type: 'unreadable', address: { reply: 'inbox.1', id: 'b', bytes: data.length } });
    expect(String(opened.type === 'unreadable' && opened.error)).toContain(words);
  });

  it('refuses a message whose headers cannot be read, on its reply subject', () => {
    const message = { subject: subjects.infer, reply: 'inbox.1', data: pack(request), header: () => undefined };
    const opened = intake.open({ ...message, headersProblem: '"My Key" is not a name' }, () => undefined);
    expect(opened).toMatchObject({ type: 'unreadable', address: { reply: 'inbox.1', json: false, id: undefined } });
    expect(String(opened.type === 'unreadable' && opened.error)).toContain('headers: "My Key" is not a name; use names of');
  });

  it('does not read messages from a client that is shut out', () => {
    expect(open(Uint8Array.of(0xc1), {}, () => 30)).toMatchObject({ type: 'unread', closedForMs: 30 });
    // All stored requests come from the same sender, so they are read.
    expect(open(pack(request), { 'Cascade-Stored': 'true' }, () => 30)).toMatchObject({ type: 'requests', values: [request] });
  });
});
