import { firstValueFrom, map, of, Subject, take, takeUntil, toArray } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Bus } from '../../engine/bus/bus.ts';
import type { KeyValueOptions, KeyValueStore } from '../../engine/bus/key-value.ts';
import { saysNobodyListens } from '../../engine/bus/publish-rules.ts';
import { BROKERS, type Broker } from '../support/buses.ts';
import { bytes, text } from '../support/bytes.ts';
import { eventually } from '../support/eventually.ts';
import { listen } from '../support/listen.ts';

describe.each(BROKERS)('a bus ($name)', ({ open }) => {
  let broker: Broker;
  let here: Bus;
  let there: Bus;

  beforeEach(async () => {
    broker = await open();
    here = await broker.connect();
    there = await broker.connect();
  });

  afterEach(() => broker.close());

  it('delivers the messages of one publisher in order', async () => {
    const seen = await listen(there, 'count');
    for (let i = 0; i < 1000; i++) here.publish('count', bytes(String(i)));
    await eventually(() => expect(seen.texts).toHaveLength(1000));
    expect(seen.texts).toEqual(Array.from({ length: 1000 }, (_, i) => String(i)));
  });

  it('gives each message to one member of a queue group, and all members get some', async () => {
    const members = await Promise.all([1, 2, 3].map(() => listen(there, 'work', { queue: 'workers' })));
    const outsider = await listen(there, 'work');
    for (let i = 0; i < 300; i++) here.publish('work', bytes(String(i)));
    const all = () => members.flatMap((member) => member.texts);
    await eventually(() => expect(all()).toHaveLength(300));
    await eventually(() => expect(outsider.texts).toHaveLength(300));
    expect(new Set(all()).size).toBe(300);
    for (const member of members) expect(member.texts.length).toBeGreaterThan(0);
  });

  it('delivers each message once to an exclusive listener, whoever publishes it, and none after it has gone', async () => {
    const alone = new Subject<void>();
    const seen: string[] = [];
    here
      .messages$('own.*', { exclusive: true })
      .pipe(takeUntil(alone))
      .subscribe((message) => seen.push(`${message.subject} ${message.reply} ${message.header('kind')} ${text(message.data)}`));
    await here.flush();
    here.publish('own.a', bytes('1'), { reply: 'answers', headers: { Kind: 'test' } });
    there.publish('own.b', bytes('2'));
    // Messages of two publishers may arrive in either order.
    await eventually(() => expect(seen.toSorted()).toEqual(['own.a answers test 1', 'own.b  undefined 2']));
    alone.next();
    const others = await listen(here, 'own.*');
    here.publish('own.a', bytes('3'));
    await eventually(() => expect(others.texts).toEqual(['3']));
    expect(seen).toHaveLength(2);
  });

  it('gives each queue group its own copy', async () => {
    const a = await listen(there, 'work', { queue: 'a' });
    const b = await listen(there, 'work', { queue: 'b' });
    here.publish('work', bytes('x'));
    await eventually(() => expect([a.texts, b.texts]).toEqual([['x'], ['x']]));
  });

  it('matches * with one token and > with one or more at the end', async () => {
    const star = await listen(there, 'a.*.c');
    const rest = await listen(there, 'a.>');
    for (const subject of ['a', 'a.b', 'a.b.c', 'a.x.c', 'a.b.c.d', 'z.b.c']) here.publish(subject, bytes(subject));
    await eventually(() => expect(rest.texts).toEqual(['a.b', 'a.b.c', 'a.x.c', 'a.b.c.d']));
    expect(star.texts).toEqual(['a.b.c', 'a.x.c']);
    expect(rest.messages.map((message) => message.subject)).toEqual(rest.texts);
  });

  it('carries headers, case-insensitively, or none', async () => {
    const seen = await listen(there, 'headers');
    here.publish('headers', bytes('with'), { headers: { 'Cascade-Id': '7', 'Content-Type': 'application/json' } });
    here.publish('headers', bytes('without'));
    await eventually(() => expect(seen.texts).toEqual(['with', 'without']));
    const [withHeaders, without] = seen.messages;
    expect(withHeaders.header('Cascade-Id')).toBe('7');
    expect(withHeaders.header('content-type')).toBe('application/json');
    expect(withHeaders.header('Cascade-Deadline-Ms')).toBeUndefined();
    expect(without.header('Cascade-Id')).toBeUndefined();
  });

  it.each<Record<string, string>>([
    { 'My Key': '1', 'Cascade-Id': '7' },
    { Schlüssel: '1', 'Cascade-Id': '7' },
    { 'Cascade-Id': '7', Note: 'two\nlines' },
  ])('delivers a message whose headers cannot be read, without them: %j', async (headers) => {
    const seen = await listen(there, 'headers');
    await broker.publishForeign('headers', bytes('unreadable'), headers);
    await broker.publishForeign('headers', bytes('readable'), { 'Cascade-Id': '8' });
    await eventually(() => expect(seen.texts).toEqual(['unreadable', 'readable']));
    const [unreadable, readable] = seen.messages;
    expect(unreadable.header('Cascade-Id')).toBeUndefined();
    expect(saysNobodyListens(unreadable)).toBe(false);
    expect(unreadable.headersProblem).toMatch(/valid/);
    expect(readable.headersProblem).toBeUndefined();
    expect(readable.header('Cascade-Id')).toBe('8');
  });

  it('carries a reply subject, or an empty one', async () => {
    const seen = await listen(there, 'question');
    here.publish('question', bytes('1'), { reply: 'answers.1' });
    here.publish('question', bytes('2'));
    await eventually(() => expect(seen.messages.map((message) => message.reply)).toEqual(['answers.1', '']));
  });

  it('tells the reply subject that nobody listens', async () => {
    const answers = await listen(here, 'answers.*');
    expect(here.publish('question', bytes('?'), { reply: 'answers.1' })).toBe(true);
    await eventually(() => expect(answers.messages).toHaveLength(1));
    expect(answers.messages[0].subject).toBe('answers.1');
    expect(saysNobodyListens(answers.messages[0])).toBe(true);
  });

  it('answers a request', async () => {
    there.messages$('double').subscribe((message) => {
      there.publish(message.reply, bytes(text(message.data).repeat(2)), { headers: { Kind: message.header('Kind') ?? '' } });
    });
    await there.flush();
    const answers = await Promise.all(
      ['a', 'b', 'c'].map((x) => here.request('double', bytes(x), { timeoutMs: 20_000, headers: { Kind: x } })),
    );
    expect(answers.map((answer) => text(answer.data))).toEqual(['aa', 'bb', 'cc']);
    expect(answers.map((answer) => answer.header('Kind'))).toEqual(['a', 'b', 'c']);
  });

  it('refuses a request without a listener at once', async () => {
    const request = here.request('nobody', bytes('?'), { timeoutMs: 60_000 });
    await expect(request).rejects.toMatchObject({
      name: 'CascadeError',
      code: 'UNAVAILABLE',
      message: 'nobody listens on nobody',
    });
  });

  it('gives up a request that is not answered in time', async () => {
    await listen(there, 'silent');
    const request = here.request('silent', bytes('?'), { timeoutMs: 20 });
    await expect(request).rejects.toMatchObject({
      name: 'CascadeError',
      code: 'DEADLINE_EXCEEDED',
      message: /silent within 20 ms/,
    });
  });

  it('drains on `until`: delivers what has arrived, then completes, and the other members get the rest', async () => {
    const until = new Subject<void>();
    const leaver = await listen(there, 'work', { queue: 'workers', until });
    const stayer = await listen(there, 'work', { queue: 'workers' });
    const publish = (from: number, to: number) => {
      for (let i = from; i < to; i++) here.publish('work', bytes(String(i)));
    };
    const all = () => [...leaver.texts, ...stayer.texts];
    publish(0, 200);
    until.next();
    publish(200, 400);
    await eventually(() => expect(leaver.ended).toBe('complete'));
    const taken = leaver.texts.length;
    publish(400, 600);
    await eventually(() => expect(all()).toHaveLength(600));
    expect(new Set(all()).size).toBe(600);
    expect(leaver.texts).toHaveLength(taken);
  });

  it('completes a drain of a listener that never got a message', async () => {
    const until = new Subject<void>();
    const idle = await listen(there, 'idle', { until });
    until.next();
    await eventually(() => expect(idle.ended).toBe('complete'));
  });

  it('completes at once when `until` has emitted already', async () => {
    const late = await listen(there, 'late', { until: of('stopped') });
    await eventually(() => expect(late.ended).toBe('complete'));
  });

  it('stops with the subscription', async () => {
    const seen: string[] = [];
    const subscription = there.messages$('stop').subscribe((message) => seen.push(text(message.data)));
    const witness = await listen(there, 'stop');
    here.publish('stop', bytes('1'));
    await eventually(() => expect(seen).toEqual(['1']));
    subscription.unsubscribe();
    await there.flush();
    here.publish('stop', bytes('2'));
    await eventually(() => expect(witness.texts).toEqual(['1', '2']));
    expect(seen).toEqual(['1']);
  });

  it('carries the largest message it promises', async () => {
    // Bytes are only valid during the delivery.
    const received = firstValueFrom(there.messages$('big').pipe(map(({ data }) => data.slice())));
    await there.flush();
    const big = new Uint8Array(here.maxPayloadBytes).fill(7);
    expect(here.publish('big', big)).toBe(true);
    const data = await received;
    expect(data.length).toBe(here.maxPayloadBytes);
    expect(data.every((byte) => byte === 7)).toBe(true);
  });

  it('refuses a larger one, headers included, with both sizes', () => {
    const max = here.maxPayloadBytes;
    const tooBig = new Uint8Array(max + 1);
    const refusal = { name: 'CascadeError', code: 'INVALID_ARGUMENT' };
    expect(() => here.publish('big', tooBig)).toThrow(
      expect.objectContaining({
        ...refusal,
        message: expect.stringMatching(new RegExp(`${max + 1} bytes to big .*limit of ${max} bytes`)),
      }),
    );
    expect(() => here.publish('big', tooBig.subarray(1), { headers: { Id: '1' } })).toThrow(
      expect.objectContaining({ ...refusal, message: expect.stringContaining(`${max + 12 + 7} bytes`) }),
    );
  });

  it.each([
    ['', ''],
    ['a b', ''],
    ['a\r\nPUB b 0', ''],
    ['a', 'b c'],
  ])('refuses the subject %j with reply %j', (subject, reply) => {
    expect(() => here.publish(subject, bytes('x'), { reply })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it('is up until it is closed; then it drops messages, and listeners complete', async () => {
    const states = firstValueFrom(here.status$.pipe(toArray()));
    expect(await firstValueFrom(here.status$)).toBe('up');
    const seen = await listen(here, 'x');
    await here.close();
    expect(await states).toEqual(['up', 'down']);
    expect(seen.ended).toBe('complete');
    expect(here.publish('x', bytes('x'))).toBe(false);
    expect(await firstValueFrom(here.messages$('x').pipe(take(1), toArray()))).toEqual([]);
    await expect(here.request('x', bytes('x'), { timeoutMs: 1_000 })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(here.flush()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await here.close();
  });

  it('sends published messages before it closes', async () => {
    const seen = await listen(there, 'last');
    for (let i = 0; i < 100; i++) here.publish('last', bytes(String(i)));
    if (here !== there) await here.close();
    await eventually(() => expect(seen.texts).toHaveLength(100));
  });
});

describe.each(BROKERS)('the key-value store of a bus ($name)', ({ open }) => {
  let broker: Broker;

  beforeEach(async () => {
    broker = await open();
  });

  afterEach(() => broker.close());

  async function bucketTwice(options?: KeyValueOptions): Promise<[KeyValueStore, KeyValueStore]> {
    const [here, there] = [await broker.connect(), await broker.connect()];
    const stores = [await here.keyValue('bucket', options), await there.keyValue('bucket', options)];
    if (stores[0] === undefined || stores[1] === undefined) throw new Error('no key-value store');
    return [stores[0], stores[1]];
  }

  it('keeps a value for everyone, until it is deleted', async () => {
    const [here, there] = await bucketTwice();
    expect(await there.get('plan.1')).toBeUndefined();
    const revision = await here.put('plan.1', bytes('one'));
    const entry = await there.get('plan.1');
    expect([text(entry!.value), entry!.revision]).toEqual(['one', revision]);
    await there.delete('plan.1');
    expect(await here.get('plan.1')).toBeUndefined();
  });

  it('lets one of two create, and one of two update from the same revision; revisions grow', async () => {
    const [here, there] = await bucketTwice();
    const created = await Promise.all([here.create('k', bytes('a')), there.create('k', bytes('b'))]);
    const first = created.find((revision) => revision !== undefined)!;
    expect(created.filter((revision) => revision === undefined)).toHaveLength(1);
    const updated = await Promise.all([here.update('k', bytes('c'), first), there.update('k', bytes('d'), first)]);
    const second = updated.find((revision) => revision !== undefined)!;
    expect(updated.filter((revision) => revision === undefined)).toHaveLength(1);
    expect(second).toBeGreaterThan(first);
    await here.delete('k');
    expect(await there.create('k', bytes('e'))).toBeGreaterThan(second);
  });

  it('forgets expired values, so that another may create them', async () => {
    const [here, there] = await bucketTwice({ ttlMs: 2_000 });
    // Once more if a busy machine takes longer for the two than the value lives.
    await eventually(async () => {
      await here.put('lease', bytes('a'));
      expect(await there.create('lease', bytes('b'))).toBeUndefined();
    });
    await eventually(async () => expect(await there.create('lease', bytes('b'))).toBeDefined());
    expect(text((await here.get('lease'))!.value)).toBe('b');
  });
});
