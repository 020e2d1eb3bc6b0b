import { decodeAnswers } from '../../../actors/client/answers.ts';
import { saysNobodyListens } from '../../../engine/bus/publish-rules.ts';
import { CANCEL_HEADER, parseCancellation } from '../../../plans/protocol/cancel.ts';
import { decode } from '../../../plans/protocol/codec.ts';
import type { DeviceState } from '../../../plans/protocol/control-messages.ts';
import { type Answer, type DoneFrame, isFailure, type Result } from '../../../plans/protocol/messages.ts';
import { Accounts } from './accounts.ts';
import { type Shape, TIMES } from './fault-plan.ts';
import type { NetworkMessage } from './faulty-network.ts';
import { GearWatch } from './gear-watch.ts';
import { InFlightWatch } from './in-flight-watch.ts';
import { type IsGivenUp, Obligations } from './obligations.ts';
import { isPoison } from './records.ts';
import { wrongInResult } from './result-check.ts';
import { SUBJECTS } from './serving-processes.ts';
import { idOf, type Outcome } from './workload.ts';

interface Asked {
  readonly client: string;
  readonly askedAt: number;
  readonly deadlineAt: number;
  outcome: Outcome | undefined;
}

type Refusal = Exclude<Outcome, Result>;

/** Queues of this length never fill up in a run. */
const AMPLE = 100;
const AMPLE_MS = 800;

export interface InvariantOptions {
  readonly shape: Shape;
  /** Milliseconds since the start of the run. */
  readonly now: () => number;
  readonly resumedAt: (process: string) => number;
  readonly violated: (what: string) => void;
}

/** What must hold in every run, whatever happens: checked message by message, and at the end. */
export class Invariants {
  readonly #options: InvariantOptions;
  readonly #asked = new Map<number, Asked>();
  readonly #requestOf = new Map<string, number>();
  readonly #accounts: Accounts;
  readonly #inFlight: InFlightWatch;
  readonly #obligations: Obligations;
  /** When devices sent answers that are on their way to the server, or lost there. */
  readonly #saidAt = new Map<NetworkMessage, number>();
  readonly #lastState = new Map<string, DeviceState>();
  readonly #answers = new Map<string, number>();
  /** By token: the ids that its client has cancelled. */
  readonly #givenUp = new Map<string, ReadonlySet<string> | 'all'>();
  /** How often the client library sent each request. */
  readonly #attempts = new Map<string, number>();
  #devicesLost = 0;
  readonly gears: GearWatch;

  constructor(options: InvariantOptions) {
    this.#options = options;
    this.#accounts = new Accounts(options.violated);
    const isGivenUp: IsGivenUp = (reply, id) => this.#isGivenUp(reply, id);
    this.#inFlight = new InFlightWatch(options.shape.maxInFlight, options.now, options.violated, isGivenUp);
    this.#obligations = new Obligations(options.now, options.violated, isGivenUp);
    this.gears = new GearWatch(options.shape.plan, options.violated);
  }

  asked(client: string, request: number, deadlineMs: number): void {
    const askedAt = this.#options.now();
    this.#asked.set(request, { client, askedAt, deadlineAt: askedAt + deadlineMs, outcome: undefined });
    this.#requestOf.set(idOf(client, request), request);
  }

  /** Exactly one outcome, on time, and correct. */
  ended(client: string, request: number, outcome: Outcome): void {
    const { now, resumedAt } = this.#options;
    const asked = this.#asked.get(request);
    const id = idOf(client, request);
    if (asked === undefined || asked.client !== client) {
      this.#violated(`${id} ended at ${client}, which did not ask it`);
      return;
    }
    if (asked.outcome !== undefined) this.#violated(`${id} ended twice`);
    asked.outcome = outcome;
    // A client that was paused past the deadline reports it when it resumes.
    if (now() > asked.deadlineAt && now() !== resumedAt(client))
      this.#violated(`${id} ended ${now() - asked.deadlineAt} ms late`);
    if (!('code' in outcome)) this.#checkResult(outcome);
    else this.#checkRefusal(id, mustBeAnswered(asked), isPoison(request, this.#options.shape.poison), outcome);
  }

  started(process: string): void {
    this.#accounts.started(process);
    this.#inFlight.started(process);
    this.gears.started(process);
  }

  /** The process loses its connection, or messages with it. */
  cutOff(process: string): void {
    this.#obligations.cutOff(process);
  }

  /** The process ends, or stops for a while: it no longer owes others anything. */
  disturbed(process: string): void {
    if (process.startsWith('device')) this.#devicesLost++;
    this.#obligations.disturbed(process);
  }

  /** An actor was restarted: its state is gone. */
  actorDied(process: string): void {
    this.disturbed(process);
    this.#inFlight.started(process);
    this.gears.started(process);
  }

  published(process: string, message: NetworkMessage, sent: boolean): void {
    const { subject, data } = message;
    // Without a connection it cannot send anything to anyone.
    if (!sent) this.cutOff(process);
    if (isCancellation(message)) this.#onCancelled(message);
    else if (subject === SUBJECTS.infer)
      for (const { id } of requestsIn(data)) this.#attempts.set(id, (this.#attempts.get(id) ?? 0) + 1);
    else if (subject.startsWith('_INBOX.client-')) this.#onAnswer(process, message, sent);
    else if (subject.startsWith(`${SUBJECTS.root}.work.`)) this.#onWork(process, data);
    else if (subject.startsWith(`${SUBJECTS.root}.state.`)) this.#onState(process, decode<DeviceState>(data));
    else if (sent) this.gears.published(process, message);
  }

  /** An answer that has reached the server is not lost with the device that sent it. */
  arrived(message: NetworkMessage): void {
    const saidAt = this.#saidAt.get(message);
    if (saidAt === undefined) return;
    this.#saidAt.delete(message);
    for (const { id } of decodeAnswers(message.data)) this.#obligations.answered(message.subject, id, saidAt);
  }

  delivered(process: string, message: NetworkMessage): void {
    const { subject, data } = message;
    if (isCancellation(message)) return;
    if (subject === SUBJECTS.infer) this.#onTaken(process, message);
    else if (subject.startsWith(`${SUBJECTS.root}.work.`)) {
      for (const id of decode<{ id: string[] }>(data).id) this.#accounts.handed(process, id);
    } else if (subject.startsWith(`${SUBJECTS.root}.done.`)) this.#inFlight.finished(process, decode<DoneFrame>(data).finished);
    else if (subject.startsWith('_INBOX.client-')) this.#atClient(process, message);
    else this.gears.delivered(process, message);
  }

  /** The answers published for a request, over all its copies. */
  get mostAnswers(): number {
    return Math.max(0, ...this.#answers.values());
  }

  /** Once all is quiet, nothing is left anywhere. */
  atEnd(): void {
    for (const [request, { client, outcome }] of this.#asked) {
      if (outcome === undefined) this.#violated(`${idOf(client, request)} has not ended`);
    }
    this.#checkGoodput();
    this.#inFlight.atEnd();
    this.#obligations.atEnd();
    for (const { device, phase, queues } of this.#lastState.values()) {
      if (phase !== 'ready') this.#violated(`device ${device} is ${phase}`);
      for (const model in queues)
        if (queues[model] > 0) this.#violated(`device ${device} still has ${queues[model]} for ${model}`);
    }
    this.gears.atEnd([...this.#lastState.values()]);
  }

  /** Without faults each request that was sent once, to processes that have heard of each other, is answered once. */
  atCalmEnd(): void {
    for (const [id, answers] of this.#answers) {
      const { askedAt } = this.#asked.get(this.#requestOf.get(id)!)!;
      if (answers !== 1 && this.#attempts.get(id) === 1 && askedAt >= TIMES.firstFault)
        this.#violated(`${id} was answered ${answers} times without a fault`);
    }
  }

  /** After recovery, at least half of the requests must get a result if queues have room for bursts. */
  #checkGoodput(): void {
    const { maxInFlight, maxQueue } = this.#options.shape;
    const asked = [...this.#asked.values()].filter(mustBeAnswered);
    const refused = asked.filter(
      ({ outcome }) => outcome !== undefined && 'code' in outcome && outcome.code === 'RESOURCE_EXHAUSTED',
    );
    if (Math.min(maxInFlight, maxQueue) >= AMPLE && refused.length > asked.length / 2)
      this.#violated(`${refused.length} of ${asked.length} requests are refused as too many although all is well again`);
  }

  #checkResult(result: Result): void {
    const cascadesOf = (revision: number, gear: number) => this.gears.cascadesOf(revision, gear);
    const wrong = wrongInResult(result, this.#requestOf.get(result.id), this.#options.shape.plan.models, cascadesOf);
    if (wrong !== undefined) this.#violated(`${result.id}: ${wrong}: ${JSON.stringify(result)}`);
  }

  #checkRefusal(id: string, mustBeAnswered: boolean, poison: boolean, { code, message }: Refusal): void {
    const isInternal = poison || (this.#devicesLost > 0 && message.startsWith('a device that had this request was lost'));
    if (code === 'INTERNAL' ? !isInternal : code === 'INVALID_ARGUMENT' || code === 'NOT_FOUND')
      this.#violated(`${id} is refused as ${code}: ${message}`);
    // A burst may be too much even then; the check at the end ensures that not all of them fail.
    if (!mustBeAnswered || code === 'INTERNAL' || code === 'RESOURCE_EXHAUSTED') return;
    this.#violated(`${id} is refused although all is well again: ${code}: ${message}`);
  }

  #onTaken(process: string, { reply, data }: NetworkMessage): void {
    for (const { id, deadlineMs } of requestsIn(data)) {
      this.#accounts.handed(process, id);
      this.#obligations.taken(process, reply, id, deadlineMs);
    }
  }

  #isGivenUp(reply: string, id: string): boolean {
    const ids = this.#givenUp.get(reply.slice(reply.lastIndexOf('.') + 1));
    return ids !== undefined && (ids === 'all' || ids.has(id));
  }

  #onCancelled({ header, data }: NetworkMessage): void {
    const { token, ids } = parseCancellation(header(CANCEL_HEADER) ?? '', data, undefined);
    const before = this.#givenUp.get(token) ?? new Set<string>();
    this.#givenUp.set(token, ids === null || before === 'all' ? 'all' : new Set([...before, ...ids]));
  }

  #onAnswer(process: string, message: NetworkMessage, sent: boolean): void {
    const { subject, data } = message;
    const byFrontend = process.startsWith('frontend-');
    if (sent && !byFrontend) this.#saidAt.set(message, this.#options.now());
    for (const answer of decodeAnswers(data)) {
      // Nobody repeats an answer from the frontend itself, with or without a connection.
      if (byFrontend) this.#obligations.answered(subject, answer.id, this.#options.now());
      this.#accounts.passed(process, answer.id);
      this.#answers.set(answer.id, (this.#answers.get(answer.id) ?? 0) + 1);
      if (!isFailure(answer)) {
        this.#checkResult(answer);
        this.gears.actedOn(process, answer);
      } else this.#inFlight.refused(process, { id: answer.id, reply: subject });
    }
  }

  #onWork(process: string, data: Uint8Array): void {
    const { origin, seq, id, reply } = decode<{ origin: string; seq: number[]; id: string[]; reply: string[] }>(data);
    if (process.startsWith('frontend-')) {
      for (const each of id) this.#accounts.mustHave(process, each);
      this.#inFlight.sent(
        process,
        origin,
        seq.map((number, i) => ({ number, id: id[i], reply: reply[i] })),
      );
    } else for (const each of id) this.#accounts.passed(process, each);
  }

  #onState(process: string, state: DeviceState): void {
    const { shape } = this.#options;
    for (const model in state.queues) {
      if (state.queues[model] > shape.maxQueue) this.#violated(`${process} has ${state.queues[model]} in the queue of ${model}`);
    }
    this.#lastState.set(process, state);
    this.gears.actedOn(process, state);
  }

  /** An answer reaches a client: it must be its own, and correct. */
  #atClient(process: string, message: NetworkMessage): void {
    if (message.data.length === 0 && saysNobodyListens({ ...message, data: message.data })) return;
    for (const answer of decodeAnswers(message.data)) this.#checkReceiver(process, answer);
  }

  #checkReceiver(process: string, { id }: Answer): void {
    const request = this.#requestOf.get(id);
    if (request === undefined || this.#asked.get(request)?.client !== process)
      this.#violated(`${process} is answered ${JSON.stringify(id)}, which it did not ask`);
  }

  #violated(what: string): void {
    this.#options.violated(what);
  }
}

/** Sent after recovery, with time for a whole cascade over slow links. */
function mustBeAnswered({ askedAt, deadlineAt }: Asked): boolean {
  return askedAt >= TIMES.healthy && deadlineAt - askedAt >= AMPLE_MS;
}

function isCancellation({ subject, header }: NetworkMessage): boolean {
  return subject === SUBJECTS.infer && header(CANCEL_HEADER) !== undefined;
}

function requestsIn(data: Uint8Array): readonly { readonly id: string; readonly deadlineMs: number }[] {
  const body = decode<{ id: string; deadlineMs: number } | { id: string; deadlineMs: number }[]>(data);
  return Array.isArray(body) ? body : [body];
}
