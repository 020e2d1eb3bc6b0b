import { Subject } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Bus } from '../../engine/bus/bus.ts';
import type { ConsumerSpec, QueuedMessage, StoreSpec } from '../../engine/bus/work-queue.ts';
import { BROKERS, type Broker } from '../support/buses.ts';
import { bytes, text } from '../support/bytes.ts';
import { eventually } from '../support/eventually.ts';

const STORE: StoreSpec = {
  name: 'jobs',
  subjects: ['jobs.in'],
  type: 'queue',
  maxMessages: 3,
  maxBytes: 1_000_000,
  maxAgeMs: Number.POSITIVE_INFINITY,
  storage: 'file',
  replicas: 1,
};
/** A consumer that misses its keep-alive on a busy machine would lose its messages; nothing here takes this long. */
const WORKERS: ConsumerSpec = { store: 'jobs', name: 'workers', ackWaitMs: 30_000, maxUnsettled: 100 };
/** For tests about consumers that are gone. */
const ACK_WAIT_MS = 1_500;

/** A consumer's messages so far, with how often each was delivered. */
interface Taken {
  readonly messages: QueuedMessage[];
  readonly texts: string[];
  readonly until: Subject<void>;
  ended: unknown;
  leave(): void;
}

function take(bus: Bus, { limit = 10, consumer = WORKERS }: { limit?: number; consumer?: ConsumerSpec } = {}): Taken {
  const until = new Subject<void>();
  const taken: Taken = { messages: [], texts: [], until, ended: undefined, leave: () => subscription.unsubscribe() };
  const subscription = bus
    .workQueues()
    .take$(consumer, { limit, until })
    .subscribe({
      next: (message) => {
        taken.messages.push(message);
        taken.texts.push(text(message.data));
      },
      error: (error) => {
        taken.ended = error;
      },
      complete: () => {
        taken.ended = 'complete';
      },
    });
  return taken;
}

describe.each(BROKERS.filter(({ hasWorkQueues }) => hasWorkQueues))('the work queues of a bus ($name)', ({ open }) => {
  let broker: Broker;
  let here: Bus;
  let there: Bus;

  beforeEach(async () => {
    broker = await open();
    here = await broker.connect();
    there = await broker.connect();
    await here.workQueues().declare(STORE);
  });

  afterEach(() => broker.close());

  const append = (body: string, id?: string) =>
    here.workQueues().append('jobs.in', bytes(body), { id, headers: { Kind: body }, timeoutMs: 20_000 });

  it('keep a message, with headers, for a later consumer, until it is done', async () => {
    const before = Date.now();
    expect(await append('a')).toEqual({ stream: 'jobs', sequence: 1, duplicate: false });
    const first = take(there);
    await eventually(() => expect(first.texts).toEqual(['a']));
    const [message] = first.messages;
    expect(message).toMatchObject({ stream: 'jobs', sequence: 1, deliveries: 1 });
    // By the server's clock, with its own rounding.
    expect(message.storedAt).toBeGreaterThanOrEqual(before - 1_000);
    expect(message.storedAt).toBeLessThanOrEqual(Date.now() + 1_000);
    expect([message.header('kind'), message.header('Other')]).toEqual(['a', undefined]);
    message.done();
    first.until.next();
    await eventually(() => expect(first.ended).toBe('complete'));
    await append('b');
    const second = take(there);
    await eventually(() => expect(second.texts).toEqual(['b']));
  });

  it('refuse messages that do not fit, until others are done', async () => {
    for (const body of ['a', 'b', 'c']) await append(body);
    await expect(append('d')).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: expect.stringMatching(/jobs\.in was not stored: .*full|maximum messages/),
    });
    const taken = take(there);
    await eventually(() => expect(taken.texts).toEqual(['a', 'b', 'c']));
    taken.messages[1].done();
    await eventually(() => append('d'));
    await eventually(() => expect(taken.texts).toEqual(['a', 'b', 'c', 'd']));
  });

  it('accept new limits', async () => {
    for (const body of ['a', 'b', 'c']) await append(body);
    await there.workQueues().declare({ ...STORE, maxMessages: 4 });
    expect(await append('d')).toMatchObject({ sequence: 4 });
  });

  it('refuse messages beyond the limit in bytes', async () => {
    await there.workQueues().declare({ ...STORE, maxBytes: 2_000 });
    await append('x'.repeat(900));
    await expect(append('y'.repeat(1_500))).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
  });

  it('store one message per id', async () => {
    expect(await append('a', 'id-1')).toMatchObject({ sequence: 1, duplicate: false });
    expect(await append('a', 'id-1')).toMatchObject({ sequence: 1, duplicate: true });
    expect(await append('b', 'id-2')).toMatchObject({ sequence: 2, duplicate: false });
    const taken = take(there);
    await eventually(() => expect(taken.texts).toEqual(['a', 'b']));
  });

  it('redeliver a message on request, and count deliveries', async () => {
    await append('a');
    const taken = take(there);
    await eventually(() => expect(taken.messages).toHaveLength(1));
    const retriedAt = Date.now();
    taken.messages[0].retry(200);
    await eventually(() => expect(taken.messages).toHaveLength(2));
    expect(Date.now() - retriedAt).toBeGreaterThan(150);
    taken.messages[1].retry(0);
    await eventually(() => expect(taken.messages).toHaveLength(3));
    expect(taken.messages.map(({ deliveries }) => deliveries)).toEqual([1, 2, 3]);
    expect(new Set(taken.messages.map(({ sequence, storedAt }) => `${sequence} ${storedAt}`)).size).toBe(1);
    taken.messages[2].abandon();
    taken.until.next();
    await eventually(() => expect(taken.ended).toBe('complete'));
  });

  it('report how much is stored, and how far its consumers are', async () => {
    const queues = here.workQueues();
    await expect(queues.count('elsewhere')).rejects.toMatchObject({ name: 'CascadeError', code: 'UNAVAILABLE' });
    await expect(queues.progress(WORKERS)).rejects.toMatchObject({ name: 'CascadeError', code: 'UNAVAILABLE' });
    expect(await queues.count('jobs')).toBe(0);
    for (const body of ['a', 'b', 'c']) await append(body);
    const taken = take(there);
    await eventually(() => expect(taken.texts).toEqual(['a', 'b', 'c']));
    expect(await queues.count('jobs')).toBe(3);
    await eventually(async () => expect(await queues.progress(WORKERS)).toEqual({ waiting: 0, unsettled: 3, redelivered: 0 }));
    taken.messages[0].retry(0);
    await eventually(() => expect(taken.texts).toEqual(['a', 'b', 'c', 'a']));
    await eventually(async () => expect(await queues.progress(WORKERS)).toEqual({ waiting: 0, unsettled: 3, redelivered: 1 }));
    taken.messages[3].abandon();
    taken.messages[1].done();
    await eventually(async () => expect(await queues.progress(WORKERS)).toEqual({ waiting: 0, unsettled: 1, redelivered: 0 }));
    await eventually(async () => expect(await queues.count('jobs')).toBe(1));
    taken.until.next();
    taken.messages[2].done();
    await eventually(() => expect(taken.ended).toBe('complete'));
    for (const body of ['d', 'e']) await append(body);
    await eventually(async () => expect(await queues.progress(WORKERS)).toEqual({ waiting: 2, unsettled: 0, redelivered: 0 }));
  });

  it('give a consumer no more than its limit at once', async () => {
    await there.workQueues().declare({ ...STORE, maxMessages: 100 });
    for (let i = 0; i < 20; i++) await append(String(i));
    const taken = take(there, { limit: 4 });
    const open = new Set<QueuedMessage>();
    let most = 0;
    for (let done = 0; done < 20; done++) {
      await eventually(() => expect(taken.messages.length).toBeGreaterThan(done));
      for (const message of taken.messages.slice(done)) open.add(message);
      most = Math.max(most, open.size);
      open.delete(taken.messages[done]);
      taken.messages[done].done();
    }
    expect(most).toBeLessThanOrEqual(4);
    expect(most).toBeGreaterThan(1);
    expect(taken.texts).toEqual(Array.from({ length: 20 }, (_, i) => String(i)));
  });

  it('give all consumers together no more than the shared limit', async () => {
    const consumer = { ...WORKERS, maxUnsettled: 2 };
    const takers = [take(here, { consumer }), take(there, { consumer })];
    for (const body of ['a', 'b', 'c']) await append(body);
    const all = () => takers.flatMap(({ messages }) => messages);
    await eventually(() => expect(all()).toHaveLength(2));
    all()[0].done();
    await eventually(() => expect(all()).toHaveLength(3));
    expect(new Set(all().map(({ sequence }) => sequence))).toEqual(new Set([1, 2, 3]));
  });

  it('redeliver the unsettled messages of a dead consumer to another, but none of a live one', async () => {
    const consumer = { ...WORKERS, ackWaitMs: ACK_WAIT_MS };
    await append('left');
    const leaver = take(here, { consumer });
    await eventually(() => expect(leaver.texts).toEqual(['left']));
    await append('kept');
    await eventually(() => expect(leaver.texts).toEqual(['left', 'kept']));
    leaver.messages[1].done();
    leaver.leave();
    const holder = take(here, { limit: 1, consumer });
    await eventually(() => expect(holder.texts).toEqual(['left']));
    expect(holder.messages[0].deliveries).toBe(2);
    // Held for longer than the ack wait, which another message measures.
    const other = take(there, { consumer });
    await append('clock');
    for (let turn = 1; turn <= 4; turn++) {
      await eventually(() => expect(other.messages).toHaveLength(turn));
      other.messages[turn - 1].retry(ACK_WAIT_MS / 2);
    }
    expect(new Set(other.texts)).toEqual(new Set(['clock']));
    expect(holder.messages).toHaveLength(1);
  });

  it('let a consumer leave when its messages are settled, and give it no more', async () => {
    await append('a');
    const leaver = take(here);
    await eventually(() => expect(leaver.texts).toEqual(['a']));
    leaver.until.next();
    await here.flush();
    await append('b');
    const stayer = take(there);
    await eventually(() => expect(stayer.texts).toEqual(['b']));
    expect([leaver.ended, leaver.texts]).toEqual([undefined, ['a']]);
    leaver.messages[0].done();
    await eventually(() => expect(leaver.ended).toBe('complete'));
  });

  it('make room in a log by dropping the oldest messages', async () => {
    await here.workQueues().declare({ ...STORE, name: 'notes', subjects: ['notes.>'], type: 'log', maxMessages: 2 });
    for (let i = 1; i <= 5; i++) {
      const stored = await here.workQueues().append('notes.a.b', bytes(String(i)), { timeoutMs: 20_000 });
      expect(stored).toEqual({ stream: 'notes', sequence: i, duplicate: false });
    }
  });

  it('also deliver to plain subscribers of the subject', async () => {
    const heard: string[] = [];
    there.messages$('jobs.in').subscribe(({ data }) => heard.push(text(data)));
    await there.flush();
    await append('a');
    await eventually(() => expect(heard).toEqual(['a']));
  });

  it('say that nothing was stored if there is no store', async () => {
    const nowhere = here.workQueues().append('elsewhere', bytes('a'), { timeoutMs: 20_000 });
    await expect(nowhere).rejects.toMatchObject({ code: 'NOT_FOUND', message: expect.stringContaining('nothing was stored') });
    const gone = take(here, { consumer: { ...WORKERS, store: 'elsewhere' } });
    await eventually(() =>
      expect(gone.ended).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('elsewhere') }),
    );
  });
});
