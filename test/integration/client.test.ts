import { lastValueFrom, Subject, toArray } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CascadeClient, createClient } from '../../actors/client/client.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { realClock } from '../../engine/clock.ts';
import { ERROR_NUMBERS } from '../../engine/errors.ts';
import { encode } from '../../plans/protocol/codec.ts';
import type { Answer, Failure } from '../../plans/protocol/messages.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { BROKERS, type Broker } from '../support/buses.ts';
import { bytes } from '../support/bytes.ts';
import { eventually } from '../support/eventually.ts';
import { resultFor, type StubRequest, stubFrontend } from '../support/stub-frontend.ts';

const IMAGE = { image: new Uint8Array([1, 2, 3]) };

describe.each(BROKERS)('the client on a bus ($name)', ({ open }) => {
  let broker: Broker;
  let bus: Bus;
  let client: CascadeClient;

  beforeEach(async () => {
    broker = await open();
    bus = await broker.connect();
    client = createClient(await broker.connect(), realClock, { deployment: 'test' });
  });

  afterEach(async () => {
    await client.close();
    await broker.close();
  });

  it('sends inputs, options and a generated id, and returns the result', async () => {
    const frontend = await stubFrontend(bus, ({ id, answer }) => answer(resultFor(id, 7)));
    const result = await client.infer(
      {
        a: [
          [1, 2],
          [3, 4],
        ],
        b: new Float32Array([0.5, -2]),
        c: 3,
      },
      { deadlineMs: 20_000, scores: true },
    );
    const [request] = frontend.requests;
    expect(result).toEqual(resultFor(request.id, 7));
    expect(request.inputs.a).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(new Uint8Array(request.inputs.b as Uint8Array)).toEqual(new Uint8Array(new Float32Array([0.5, -2]).buffer));
    expect(request.inputs.c).toBe(3);
    expect(request.scores).toBe(true);
    expect(request.deadlineMs).toBeGreaterThan(10_000);
    expect(request.deadlineMs).toBeLessThanOrEqual(20_000);
    expect(request.message.header('Content-Type')).toBeUndefined();
  });

  it('leaves the deadline to the deployment unless the request or the client sets one', async () => {
    const frontend = await stubFrontend(bus, ({ id, answer }) => answer(resultFor(id)));
    await client.infer(IMAGE);
    await Promise.all([client.infer(IMAGE), client.infer(IMAGE, { deadlineMs: 5_000 })]);
    expect(frontend.requests.map(({ deadlineMs }) => deadlineMs === undefined)).toEqual([true, true, false]);
    expect(frontend.requests[2].deadlineMs).toBeLessThanOrEqual(5_000);
    const impatient = createClient(await broker.connect(), realClock, { deployment: 'test', deadlineMs: 3_000 });
    await impatient.infer(IMAGE);
    await impatient.close();
    expect(frontend.requests[3].deadlineMs).toBeLessThanOrEqual(3_000);
  });

  it('gives each caller its own answer, in whatever order they arrive', async () => {
    const held: StubRequest[] = [];
    await stubFrontend(bus, (request) => {
      if (held.push(request) === 50) for (const { id, answer } of held.reverse()) answer(resultFor(id, Number(id)));
    });
    const results = await Promise.all(Array.from({ length: 50 }, (_, i) => client.infer(IMAGE, { id: String(i) })));
    expect(results.map((result) => result.label)).toEqual(Array.from({ length: 50 }, (_, i) => i));
  });

  it('puts simultaneous requests into one message, and accepts answers in frames', async () => {
    const held: StubRequest[] = [];
    const frontend = await stubFrontend(bus, (request) => {
      if (held.push(request) === 100) held[0].answer(...held.map(({ id }) => resultFor(id, Number(id))));
    });
    const results = await Promise.all(Array.from({ length: 100 }, (_, i) => client.infer(IMAGE, { id: String(i) })));
    expect(results.map((result) => result.label)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(frontend.messages).toBe(1);
  });

  it('splits requests that do not fit into one message', async () => {
    const frontend = await stubFrontend(bus, ({ id, answer }) => answer(resultFor(id)));
    const inputs = { image: new Uint8Array(100_000) };
    await Promise.all(Array.from({ length: 20 }, () => client.infer(inputs)));
    expect(frontend.requests).toHaveLength(20);
    expect(frontend.messages).toBeGreaterThan(5);
  });

  it('sends a silent request again with the same id and the rest of the deadline', async () => {
    const frontend = await stubFrontend(bus, ({ id, answer }) => {
      if (frontend.requests.length > 1) answer(resultFor(id, 1));
    });
    expect(await client.infer(IMAGE, { id: 'x', deadlineMs: 6_000 })).toEqual(resultFor('x', 1));
    const [first, second] = frontend.requests;
    expect([first.id, second.id]).toEqual(['x', 'x']);
    expect(first.deadlineMs! - second.deadlineMs!).toBeGreaterThanOrEqual(2_990);
    expect(client.counts.retries).toBe(1);
  });

  it('drops and counts a duplicate answer', async () => {
    await stubFrontend(bus, ({ id, answer }) => {
      answer(resultFor(id, 1));
      answer(resultFor(id, 2));
      answer(resultFor(id, 3), resultFor(id, 4));
    });
    expect((await client.infer(IMAGE)).label).toBe(1);
    await eventually(() => expect(client.duplicates).toBe(3));
  });

  it('gives up at the deadline, and does not count the late answer as a duplicate', async () => {
    const frontend = await stubFrontend(bus, () => undefined);
    const startedAt = performance.now();
    await expect(client.infer(IMAGE, { deadlineMs: 60 })).rejects.toMatchObject({
      name: 'CascadeError',
      code: 'DEADLINE_EXCEEDED',
      message: expect.stringMatching(/^no answer after \d attempts? in 60 ms$/),
    });
    expect(performance.now() - startedAt).toBeGreaterThan(55);
    // On a busy machine, the request may arrive after that.
    await eventually(() => expect(frontend.requests).not.toEqual([]));
    const [{ id, answer }] = frontend.requests;
    answer(resultFor(id));
    await eventually(() => expect(client.counts.late).toBe(1));
    expect(client.duplicates).toBe(0);
  });

  it.each(Object.keys(ERROR_NUMBERS).filter((code) => code !== 'UNAVAILABLE'))(
    'throws %s as received, without a retry',
    async (code) => {
      const frontend = await stubFrontend(bus, ({ id, answer }) =>
        answer({ id, error: { code, message: 'because' } } as Failure),
      );
      await expect(client.infer(IMAGE)).rejects.toMatchObject({ name: 'CascadeError', code, message: 'because' });
      expect(frontend.requests).toHaveLength(1);
    },
  );

  it('throws INTERNAL for an unknown code', async () => {
    await stubFrontend(bus, ({ id, answer }) =>
      answer({ id, error: { code: 'TEAPOT', message: 'short' } } as unknown as Failure),
    );
    await expect(client.infer(IMAGE)).rejects.toMatchObject({ code: 'INTERNAL', message: 'TEAPOT: short' });
  });

  it('retries with the same id after UNAVAILABLE', async () => {
    const frontend = await stubFrontend(bus, ({ id, answer }) => {
      if (frontend.requests.length < 4) answer({ id, error: { code: 'UNAVAILABLE', message: 'starting' } });
      else answer(resultFor(id, 1));
    });
    expect(await client.infer(IMAGE, { id: 'x' })).toEqual(resultFor('x', 1));
    expect(frontend.requests.map(({ id }) => id)).toEqual(['x', 'x', 'x', 'x']);
  });

  it('waits for a listener', async () => {
    const result = client.infer(IMAGE);
    await eventually(() => expect(client.counts.retries).toBeGreaterThan(0));
    await stubFrontend(bus, ({ id, answer }) => answer(resultFor(id, 1)));
    expect((await result).label).toBe(1);
  });

  it('says that nobody listens if that lasts until the deadline', async () => {
    await expect(client.infer(IMAGE, { deadlineMs: 500 })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(
        /nobody listens on cascade\.test\.infer; is the deployment being served\? \(\d+ attempts? in 500 ms\)/,
      ),
    });
  });

  it('fails all requests of a message that is refused as a whole', async () => {
    const refused: Failure = { id: '', error: { code: 'INVALID_ARGUMENT', message: 'too deep' } };
    const frontend = await stubFrontend(bus, ({ answer }) => {
      if (frontend.requests.length === 3) answer(refused);
    });
    const failures = await Promise.allSettled([client.infer(IMAGE), client.infer(IMAGE), client.infer(IMAGE)]);
    for (const failure of failures) expect(failure).toMatchObject({ reason: { code: 'INVALID_ARGUMENT', message: 'too deep' } });
  });

  it('fails the requests of a message whose answer cannot be read', async () => {
    await stubFrontend(bus, ({ message }) => void bus.publish(message.reply, bytes('\xc1 nonsense')));
    await expect(client.infer(IMAGE)).rejects.toMatchObject({
      code: 'INTERNAL',
      message: expect.stringContaining('cannot be decoded'),
    });
    expect(client.counts.malformed).toBe(1);
  });

  it('refuses what cannot be sent, saying what would be right', async () => {
    await stubFrontend(bus, ({ id, answer }) => answer(resultFor(id)));
    const good = client.infer(IMAGE, { id: 'good' });
    const refusal = { code: 'INVALID_ARGUMENT' };
    await expect(client.infer(IMAGE, { id: 'good' })).rejects.toMatchObject({
      ...refusal,
      message: expect.stringContaining('"good" is already in flight'),
    });
    await expect(client.infer(IMAGE, { id: '' })).rejects.toMatchObject(refusal);
    await expect(client.infer(IMAGE, { deadlineMs: -1 })).rejects.toMatchObject(refusal);
    await expect(client.infer({ image: new Uint8Array(2_000_000) })).rejects.toMatchObject({
      ...refusal,
      message: expect.stringContaining('1048576'),
    });
    expect((await good).id).toBe('good');
  });

  it('ends requests in flight when it is closed', async () => {
    await stubFrontend(bus, () => undefined);
    const ended = expect(client.infer(IMAGE)).rejects.toMatchObject({ code: 'UNAVAILABLE', message: /client was closed/ });
    await client.close();
    await ended;
    await expect(client.infer(IMAGE)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  describe('inferMany', () => {
    it('has no more than `concurrency` requests in flight, and reads no further in an iterable', async () => {
      const held: StubRequest[] = [];
      let answered = 0;
      let most = 0;
      let read = 0;
      await stubFrontend(bus, (request) => {
        held.push(request);
        most = Math.max(most, held.length);
        // Only when all allowed requests have arrived: a client that sent one at a time would wait for ever.
        if (held.length === Math.min(8, 80 - answered)) {
          answered += held.length;
          for (const { id, answer } of held.splice(0)) answer(resultFor(id));
        }
      });
      function* requests() {
        for (; read < 80; read++) {
          expect(read - answered).toBeLessThanOrEqual(8);
          yield { inputs: IMAGE };
        }
      }
      const answers = await lastValueFrom(client.inferMany(requests(), { concurrency: 8 }).pipe(toArray()));
      expect(answers).toHaveLength(80);
      expect(most).toBe(8);
    });

    it('keeps the order of the requests if asked to', async () => {
      let held: StubRequest[] = [];
      await stubFrontend(bus, (request) => {
        held.push(request);
        if (held.length < 10) return;
        for (const { id, answer } of held.reverse()) answer(resultFor(id));
        held = [];
      });
      const ids = Array.from({ length: 40 }, (_, i) => `r${i}`);
      const requests = ids.map((id) => ({ id, inputs: IMAGE }));
      const inOrder = await lastValueFrom(client.inferMany(requests, { concurrency: 10, ordered: true }).pipe(toArray()));
      expect(inOrder.map(({ id }) => id)).toEqual(ids);
      const asTheyCome = await lastValueFrom(client.inferMany(requests, { concurrency: 10 }).pipe(toArray()));
      expect(asTheyCome.map(({ id }) => id)).not.toEqual(ids);
      expect(asTheyCome.map(({ id }) => id).sort()).toEqual([...ids].sort());
    });

    it('emits failures as items, whether refused locally or remotely', async () => {
      await stubFrontend(bus, ({ id, answer }) =>
        answer(id === 'bad' ? { id, error: { code: 'INVALID_ARGUMENT', message: 'no' } } : resultFor(id)),
      );
      const requests = [
        { id: 'a', inputs: IMAGE },
        { id: 'bad', inputs: IMAGE },
        { id: 'b', inputs: IMAGE, deadlineMs: -1 },
        { id: 'c', inputs: IMAGE },
      ];
      const answers = await lastValueFrom(client.inferMany(requests, { ordered: true }).pipe(toArray()));
      expect(answers).toEqual([
        resultFor('a'),
        { id: 'bad', error: { code: 'INVALID_ARGUMENT', message: 'no' } },
        { id: 'b', error: { code: 'INVALID_ARGUMENT', message: expect.stringContaining('deadlineMs: -1') } },
        resultFor('c'),
      ]);
    });

    it('accepts an async iterable and an Observable', async () => {
      await stubFrontend(bus, ({ id, answer }) => answer(resultFor(id)));
      async function* requests() {
        for (const id of ['a', 'b', 'c']) yield { id, inputs: IMAGE };
      }
      const fromAsync = await lastValueFrom(client.inferMany(requests(), { concurrency: 2, ordered: true }).pipe(toArray()));
      expect(fromAsync.map(({ id }) => id)).toEqual(['a', 'b', 'c']);

      const source = new Subject<{ id: string; inputs: typeof IMAGE }>();
      const fromObservable = lastValueFrom(client.inferMany(source, { concurrency: 2, ordered: true }).pipe(toArray()));
      for (const id of ['d', 'e', 'f', 'g']) source.next({ id, inputs: IMAGE });
      source.complete();
      expect((await fromObservable).map(({ id }) => id)).toEqual(['d', 'e', 'f', 'g']);
    });

    it('abandons requests in flight when unsubscribed', async () => {
      const frontend = await stubFrontend(bus, () => undefined);
      const answers: Answer[] = [];
      const subscription = client.inferMany([{ id: 'x', inputs: IMAGE }]).subscribe((answer) => answers.push(answer));
      await eventually(() => expect(frontend.requests).toHaveLength(1));
      subscription.unsubscribe();
      frontend.requests[0].answer(resultFor('x'));
      await eventually(() => expect(client.counts.late).toBe(1));
      expect(answers).toEqual([]);
    });
  });

  it('shows the answers on the results subject, named or not, in MessagePack and JSON, and survives garbage', async () => {
    const { results, namedResults } = subjectsOf('test');
    const plain: Answer[] = [];
    const named: Answer[] = [];
    client.results$().subscribe((answer) => plain.push(answer));
    client.results$('billing').subscribe((answer) => named.push(answer));
    // After a round trip on the client's own connection, its subscriptions are active.
    await stubFrontend(bus, ({ id, answer }) => answer(resultFor(id)));
    await client.infer(IMAGE);
    bus.publish(results, bytes('nonsense'));
    bus.publish(results, encode(resultFor('a')));
    bus.publish(results, bytes(JSON.stringify([resultFor('b'), resultFor('c')])));
    bus.publish(namedResults('billing'), encode(resultFor('d')));
    await eventually(() => expect(plain.map(({ id }) => id)).toEqual(['', 'a', 'b', 'c']));
    await eventually(() => expect(named).toEqual([resultFor('d')]));
    expect(plain[0]).toMatchObject({ error: { code: 'INTERNAL' } });
  });
});
