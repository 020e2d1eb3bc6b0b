import { EventEmitter } from 'node:events';
import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { OpenStreams } from '../../../../../actors/gateway/grpc/open-streams.ts';
import { silentLogger } from '../../../../../engine/log.ts';

/** A stream whose client does not read. */
class FullStream extends EventEmitter {
  readonly cancelled = false;
  readonly written: unknown[] = [];
  pauses = 0;
  ends = 0;
  failures: unknown[] = [];

  constructor() {
    super();
    this.on('error', (failure) => this.failures.push(failure));
  }

  write(response: unknown): boolean {
    this.written.push(response);
    return false;
  }

  pause(): this {
    this.pauses++;
    return this;
  }

  resume(): this {
    this.pauses--;
    return this;
  }

  end(): this {
    this.ends++;
    return this;
  }
}

const settled = (): Promise<void> => new Promise(setImmediate);
const echo = (request: string): Promise<string> => Promise.resolve(request);

test('waits once for a client that does not read, however many answers are written meanwhile', async () => {
  const call = new FullStream();
  new OpenStreams(silentLogger).open(call as never, echo);
  for (let i = 0; i < 20; i++) call.emit('data', String(i));
  await settled();
  expect([call.written.length, call.pauses, call.listenerCount('drain')]).toEqual([20, 1, 1]);
  call.emit('drain');
  call.emit('data', 'again');
  await settled();
  expect([call.pauses, call.listenerCount('drain')]).toEqual([1, 1]);
});

test('ends when the client has ended and all is answered, also while draining', async () => {
  const call = new FullStream();
  const streams = new OpenStreams(silentLogger);
  let answer = (_: string): void => undefined;
  streams.open(call as never, () => new Promise<string>((resolve) => (answer = resolve)));
  call.emit('data', 'a');
  call.emit('end');
  streams.drain();
  expect(call.ends).toBe(0);
  answer('b');
  await settled();
  expect([call.written, call.ends, call.failures]).toEqual([['b'], 1, []]);
});

test('ends a stream that is opened while draining, and reads nothing from it', async () => {
  const call = new FullStream();
  const streams = new OpenStreams(silentLogger);
  streams.drain();
  streams.open(call as never, echo);
  call.emit('data', 'a');
  await settled();
  expect(call.failures).toEqual([expect.objectContaining({ code: status.UNAVAILABLE })]);
  expect(call.written).toEqual([]);
});

test('a message that fails because of a bug ends its stream, and not the process', async () => {
  const call = new FullStream();
  new OpenStreams(silentLogger).open(call as never, () => Promise.reject(new Error('bug')));
  call.emit('data', 'a');
  await settled();
  expect(call.failures).toEqual([expect.objectContaining({ code: status.INTERNAL })]);
});
