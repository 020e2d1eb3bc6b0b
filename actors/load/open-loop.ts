import { randomBytes } from 'node:crypto';
import type { Bus, BusMessage } from '../../engine/bus/bus.ts';
import { monotonicMs, realClock } from '../../engine/clock.ts';
import { CascadeError, messageOf } from '../../engine/errors.ts';
import { type Answer, isFailure, type Result } from '../../plans/protocol/messages.ts';
import { type GeneratorLag, generatorLag } from '../../plans/report/generator-lag.ts';
import type { RequestOutcome } from '../../plans/report/report-builder.ts';
import { decodeAnswers, errorOf } from '../client/answers.ts';
import type { SharedClient } from '../client/client.ts';
import type { Inputs } from '../client/request-body.ts';
import { inboxPrefixOf } from '../processes/connect.ts';
import { bodyCount, encodeBodies } from './bodies.ts';
import { LoadSender } from './load-sender.ts';
import { RequestLedger } from './request-ledger.ts';
import { requestOf, type SenderConnection } from './sender-protocol.ts';

/** How one request of a load run ended. Times count from the start of the run. */
export interface LoadOutcome {
  readonly request: number;
  readonly sample: number;
  /** Intended send time, from the trace. */
  readonly sentAtMs: number;
  /** From intended send time to answer. */
  readonly latencyMs: number;
  readonly outcome: RequestOutcome;
  /** Undefined unless completed. */
  readonly result: Result | undefined;
  readonly error: CascadeError | undefined;
}

export interface LoadRun {
  /** Answers arrive here; requests are sent by a thread with its own connection. */
  readonly bus: Bus;
  readonly connection: SenderConnection;
  /** For requests that must be sent again; on the real clock. It also learns how the others are answered. */
  readonly client: Pick<SharedClient, 'infer' | 'patience'>;
  /** Subject of the requests. */
  readonly subject: string;
  /** For each request. */
  readonly deadlineMs: number;
  /** Intended send times in milliseconds from the start, ascending. */
  readonly arrivalsMs: Float64Array;
  /** Samples to send, in order, repeatedly. */
  readonly samples: readonly number[];
  readonly inputsOf: (sample: number) => Inputs;
  readonly onOutcome: (outcome: LoadOutcome) => void;
  /** Measure the lag of requests that are due from here on. Default 0. */
  readonly lagFromMs?: number;
  /** Ends the run early: requests that have not been sent by then are not offered. */
  readonly signal?: AbortSignal;
}

export interface LoadRunEnd {
  readonly sent: number;
  /** Answers to requests that already had one. */
  readonly duplicates: number;
  readonly generatorLagMs: GeneratorLag | null;
}

/** Limit on encoded samples, which are all in memory; further samples are not sent. */
const MOST_BODY_BYTES = 512 * 1024 * 1024;
const SWEEP_MS = 20;
/** No answer for this long may mean that nobody listens. */
const QUIET_MS = 100;

/**
 * Open-loop load: sends by the clock, regardless of answers (CascadeServe §6), and measures from the intended time. A separate thread
 * sends each request as one message; this one reads the answers. Cases that the client library would retry (nobody listens, UNAVAILABLE, a
 * lost connection, a silence) are handed over to it. Resolves when every request has ended, which the deadline bounds.
 */
export async function runOpenLoop(run: LoadRun): Promise<LoadRunEnd> {
  const { arrivalsMs, deadlineMs, bus } = run;
  const { patience } = run.client;
  const inbox = `${inboxPrefixOf(run.connection.nats) ?? '_INBOX'}.${randomBytes(9).toString('base64url')}`;
  const ledger = new RequestLedger(arrivalsMs, deadlineMs);
  const bodies = encodeBodies(run.samples.slice(0, arrivalsMs.length), run.inputsOf, deadlineMs, MOST_BODY_BYTES);
  const sampleOf = (request: number): number => run.samples[request % bodyCount(bodies)];
  const lagMs = shared(arrivalsMs.length);
  const schedule = shared(arrivalsMs.length);
  schedule.set(arrivalsMs);
  let beginMs = Number.POSITIVE_INFINITY;
  const now = (): number => monotonicMs() - beginMs;
  let allSent = false;
  let finish: (error?: unknown) => void = () => undefined;
  const ended = new Promise<void>((resolve, reject) => {
    finish = (error) => (error === undefined ? resolve() : reject(error));
  });

  const sender = new LoadSender(
    { ...run.connection, subject: run.subject, inbox, arrivalsMs: schedule, bodies, lagMs },
    { unsent: askAgain, nobody: onNobody, reconnected: askAllAgain },
  );
  const answers = bus.messages$(`${inbox}.*`).subscribe({ next: onMessage, error: finish });
  let wasDown = false;
  const watching = bus.status$.subscribe((status) => {
    if (status === 'up' && wasDown) askAllAgain();
    wasDown = status === 'down';
  });
  let heardMs = 0;
  let senderListens = true;
  let over = false;
  // Runs after reading what has arrived: a delayed process sees its timers first, and would mistake unread answers for silence.
  const sweeping = setInterval(() => setImmediate(sweep), SWEEP_MS);
  const abort = (): void => sender.stop();
  try {
    await bus.flush();
    run.signal?.addEventListener('abort', abort);
    if (run.signal?.aborted) abort();
    beginMs = await sender.begin();
    sender.done.then(() => {
      allSent = true;
      finishIfEnded();
    }, finish);
    await ended;
    const { sent } = sender;
    const first = arrivalsMs.findIndex((at) => at >= (run.lagFromMs ?? 0));
    const counted = first === -1 ? new Float64Array(0) : lagMs.subarray(first, Math.max(first, sent));
    return { sent, duplicates: ledger.duplicates, generatorLagMs: generatorLag(counted) };
  } finally {
    run.signal?.removeEventListener('abort', abort);
    over = true;
    clearInterval(sweeping);
    watching.unsubscribe();
    answers.unsubscribe();
    await sender.close();
  }

  function onMessage(message: BusMessage): void {
    const request = requestOf(message.subject, inbox);
    // Anyone may publish on an inbox.
    if (!(request >= 0 && request < arrivalsMs.length)) return;
    heardMs = now();
    letSenderListen(false);
    try {
      for (const answer of decodeAnswers(message.data)) onAnswer(request, answer);
    } catch (error) {
      end(request, 'error', undefined, asCascadeError(error));
    }
  }

  function onAnswer(request: number, answer: Answer): void {
    if (!isFailure(answer)) {
      patience.onAnswer(now() - arrivalsMs[request], realClock.now());
      end(request, 'completed', answer);
      return;
    }
    const error = errorOf(answer);
    if (error.code === 'UNAVAILABLE') askAgain(request);
    else {
      if (error.code === 'RESOURCE_EXHAUSTED') patience.onRefusal(error.retryAfterMs ?? 0, realClock.now());
      if (ledger.refused(request)) report(request, outcomeOf(error), undefined, error);
    }
  }

  /** Hands the request over to the client library, for the rest of its deadline. */
  function askAgain(request: number): void {
    if (ledger.handOver(request)) void handedOver(request, 0);
  }

  async function handedOver(request: number, silences: number): Promise<void> {
    const leftMs = Math.ceil(arrivalsMs[request] + deadlineMs - now());
    if (leftMs <= 0) {
      lose(request);
      return;
    }
    try {
      const result = await run.client.infer(run.inputsOf(sampleOf(request)), { deadlineMs: leftMs, silences });
      end(request, 'completed', result);
    } catch (cause) {
      const error = asCascadeError(cause);
      if (error.code !== 'DEADLINE_EXCEEDED') end(request, outcomeOf(error), undefined, error);
      else if (ledger.giveUp(request)) report(request, 'lost', undefined, error);
    }
  }

  function askAllAgain(): void {
    for (const request of ledger.pending(sender.sent)) askAgain(request);
  }

  function onNobody(request: number): void {
    askAgain(request);
    // Earlier requests have been silent too.
    askAllAgain();
  }

  function letSenderListen(on: boolean): void {
    if (on !== senderListens) sender.listen(on);
    senderListens = on;
  }

  function sweep(): void {
    if (over) return;
    const oldestMs = ledger.oldestPendingMs(sender.sent);
    if (oldestMs !== undefined && now() - Math.max(heardMs, oldestMs) > QUIET_MS) letSenderListen(true);
    const at = realClock.now();
    const silenceMs = at < patience.refusedUntil ? Number.POSITIVE_INFINITY : patience.silenceMs(deadlineMs, 1, at);
    const { lost, again } = ledger.overdue(sender.sent, now(), silenceMs);
    for (const request of lost) report(request, 'lost', undefined, silence());
    for (const request of again) void handedOver(request, 1);
  }

  function lose(request: number): void {
    if (ledger.giveUp(request)) report(request, 'lost', undefined, silence());
  }

  function silence(): CascadeError {
    return new CascadeError('DEADLINE_EXCEEDED', `no answer after 1 attempt in ${deadlineMs} ms`);
  }

  function end(request: number, outcome: RequestOutcome, result: Result | undefined, error?: CascadeError): void {
    if (ledger.answered(request)) report(request, outcome, result, error);
  }

  function report(request: number, outcome: RequestOutcome, result: Result | undefined, error: CascadeError | undefined): void {
    const sentAtMs = arrivalsMs[request];
    const sample = sampleOf(request);
    run.onOutcome({ request, sample, sentAtMs, latencyMs: now() - sentAtMs, outcome, result, error });
    finishIfEnded();
  }

  function finishIfEnded(): void {
    if (allSent && ledger.ended === sender.sent) finish();
  }
}

function shared(length: number): Float64Array<SharedArrayBuffer> {
  return new Float64Array(new SharedArrayBuffer(8 * length));
}

function outcomeOf(error: CascadeError): RequestOutcome {
  switch (error.code) {
    case 'RESOURCE_EXHAUSTED':
      return 'rejected';
    // No result within the deadline, whether reported or silent.
    case 'DEADLINE_EXCEEDED':
      return 'lost';
    default:
      return 'error';
  }
}

function asCascadeError(error: unknown): CascadeError {
  return error instanceof CascadeError ? error : new CascadeError('INTERNAL', messageOf(error));
}
