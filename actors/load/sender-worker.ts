import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import type { Subscription } from 'rxjs';
import type { Bus } from '../../engine/bus/bus.ts';
import { saysNobodyListens } from '../../engine/bus/publish-rules.ts';
import { monotonicMs } from '../../engine/clock.ts';
import { CascadeError } from '../../engine/errors.ts';
import { connectTo } from '../processes/connect.ts';
import { bodyCount, bodyOf } from './bodies.ts';
import { paceOf } from './send-pace.ts';
import {
  replySubject,
  requestOf,
  SENT,
  type SenderNews,
  type SenderOrder,
  type SenderSettings,
  STOP,
} from './sender-protocol.ts';

/** The thread that sends a load on time, whatever the thread that reads the answers is doing. */

const port = parentPort;
if (port === null) throw new Error('sender-worker runs as a worker thread');
const settings = workerData as SenderSettings;
/** The event loop gets a turn after this many requests, however many are due. */
const MOST_AT_ONCE = 512;
/** Timers end after at most this long, to check whether to stop. */
const LONGEST_TIMER_MS = 100;

/** Priority of the thread, if we may raise it. */
const NICE = -10;

bePunctual();
const tell = (news: SenderNews): void => port.postMessage(news);
const bus = await connectTo(settings.servers, settings.nats, 'cascade-load-sender');
let wasDown = false;
const watching = bus.status$.subscribe((status) => {
  if (status === 'up' && wasDown) tell({ type: 'reconnected' });
  wasDown = status === 'down';
});
let listening: Subscription | undefined = listen();
let close: () => void = () => undefined;
const closed = new Promise<void>((resolve) => {
  close = resolve;
});
const begun = new Promise<number>((begin) => {
  port.on('message', (order: SenderOrder) => {
    if (order.type === 'begin') begin(order.beginMs);
    else if (order.type === 'listen') hear(order.on);
    else {
      // It may not have started.
      begin(monotonicMs());
      close();
    }
  });
});
tell({ type: 'ready' });
await sendAll(bus, await begun);
tell({ type: 'done' });
await closed;
watching.unsubscribe();
await bus.close();
port.close();

function hear(on: boolean): void {
  if (on) listening ??= listen();
  else {
    listening?.unsubscribe();
    listening = undefined;
  }
}

async function sendAll(to: Bus, begin: number): Promise<void> {
  const { arrivalsMs, control } = settings;
  let next = 0;
  let sentMs = Number.NEGATIVE_INFINITY;
  while (next < arrivalsMs.length && Atomics.load(control, STOP) === 0) {
    const now = monotonicMs() - begin;
    const pace = paceOf(arrivalsMs[next], sentMs, now);
    if (pace.type === 'timer') {
      await setTimeout(Math.min(pace.ms, LONGEST_TIMER_MS));
      continue;
    }
    if (pace.type === 'sleep') Atomics.wait(control, STOP, 0, pace.ms);
    else {
      sentMs = now;
      next = sendDue(to, begin, next);
    }
    // Published data are written, and pings answered, in a turn of the event loop.
    await setImmediate();
  }
}

/** @returns the first request that has not been sent. */
function sendDue(to: Bus, begin: number, first: number): number {
  const { subject, inbox, arrivalsMs, bodies, lagMs, control } = settings;
  const most = Math.min(arrivalsMs.length, first + MOST_AT_ONCE);
  let request = first;
  for (; request < most; request++) {
    const lag = monotonicMs() - begin - arrivalsMs[request];
    if (lag < 0) break;
    lagMs[request] = lag;
    const body = bodyOf(bodies, request % bodyCount(bodies));
    if (!publish(to, subject, body, replySubject(inbox, request))) {
      tell({ type: 'unsent', request });
    }
  }
  Atomics.store(control, SENT, request);
  return request;
}

function publish(to: Bus, subject: string, body: Uint8Array, reply: string): boolean {
  try {
    return to.publish(subject, body, { reply });
  } catch (error) {
    // Too large for the server. The client library gets the request, and reports the error in its own words.
    if (error instanceof CascadeError) return false;
    throw error;
  }
}

function listen(): Subscription {
  const { inbox } = settings;
  return bus.messages$(`${inbox}.*`).subscribe((message) => {
    if (saysNobodyListens(message)) tell({ type: 'nobody', request: requestOf(message.subject, inbox) });
  });
}

/**
 * When all cores are busy, a thread that wakes up has to wait for its turn; this one needs little time, but promptly. Only Linux has
 * priorities per thread. Without permission to raise it we accept the lag, which is in the report.
 */
function bePunctual(): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(Number(readlinkSync('/proc/thread-self').split('/').at(-1)), NICE);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SYSTEM_ERROR') throw error;
  }
}
