import { MalformedMessage } from '../../engine/errors.ts';
import { decode } from './codec.ts';
import { SIZE_BOUNDS, TIME_BOUNDS_MS } from './histogram.ts';
import {
  type AuditCounts,
  type CertaintyCounts,
  type DeviceState,
  type DoneFrame,
  EXITS,
  type GearBasis,
  type GearMessage,
  type LoadReport,
  type ModelMeasures,
  type PlanVerdict,
  type PreparedMessage,
  type PrepareMessage,
} from './messages.ts';
import { SUBJECT_TOKEN } from './subjects.ts';

/**
 * Decoders of the messages between actors, one for each but the work frame (see codec.ts). Senders are ours, so these checks are
 * cheap: what a receiver computes with has the type that it relies on. All throw MalformedMessage, naming the field. Fields
 * that are not known pass, so that processes of two versions understand each other.
 */

const PHASES: readonly unknown[] = ['loading', 'ready', 'draining', 'left'] satisfies DeviceState['phase'][];

export function decodeDone(data: Uint8Array): DoneFrame {
  const done = fieldsOf<DoneFrame>('done', data);
  require(isText(done.device), 'done', 'device');
  require(areNumbers(done.finished), 'done', 'finished');
  require(isCount(done.dropped) && done.dropped <= done.finished.length, 'done', 'dropped');
  require(Array.isArray(done.moved) && done.moved.every(isMove), 'done', 'moved');
  return done as DoneFrame;
}

function isMove(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { device, seqs } = value as { device?: unknown; seqs?: unknown };
  return isText(device) && areNumbers(seqs);
}

function areSuspects(value: unknown): boolean {
  return Array.isArray(value) && value.every((group) => isToken(group?.origin) && areNumbers(group.seqs));
}

export function decodeLoad(data: Uint8Array): LoadReport {
  const load = fieldsOf<LoadReport>('load', data);
  require(isToken(load.frontend), 'load', 'frontend');
  require(isAmount(load.pid), 'load', 'pid');
  require(isAmount(load.intervalMs) && load.intervalMs >= 1, 'load', 'intervalMs');
  require(isAmount(load.arrivals), 'load', 'arrivals');
  require(load.dropped === undefined || areAmounts(load.dropped), 'load', 'dropped');
  require(load.unserved === undefined || areAmounts(load.unserved), 'load', 'unserved');
  return load as LoadReport;
}

export function decodeState(data: Uint8Array): DeviceState {
  const state = fieldsOf<DeviceState>('state', data);
  require(isToken(state.device), 'state', 'device');
  require(isText(state.host), 'state', 'host');
  require(PHASES.includes(state.phase), 'state', 'phase');
  require(isText(state.incarnation), 'state', 'incarnation');
  // Older versions make no claim: whoever hears them leaves the device to them.
  const { claim = '', absences = 0 } = state;
  require(isText(claim), 'state', 'claim');
  require(isCount(absences), 'state', 'absences');
  require(isCount(state.revision), 'state', 'revision');
  require(isCount(state.gear), 'state', 'gear');
  require(isCount(state.epoch), 'state', 'epoch');
  // Negative where the clocks of two hosts differ.
  require(Number.isFinite(state.gearDelayMs), 'state', 'gearDelayMs');
  require(isAmount(state.pid), 'state', 'pid');
  require(areAmounts(state.queues), 'state', 'queues');
  require(areAmounts(state.answered), 'state', 'answered');
  require(state.missingWeights === undefined || areTexts(state.missingWeights), 'state', 'missingWeights');
  require(isAmount(state.backlogMs), 'state', 'backlogMs');
  // Older versions do not measure their speed, and count as profiled: dropping their heartbeats would be to lose their devices.
  const { slowdown = 1, starvedShare = null } = state;
  require(isFactor(slowdown), 'state', 'slowdown');
  require(starvedShare === null || isAmount(starvedShare), 'state', 'starvedShare');
  require(isAmount(state.completedBatches), 'state', 'completedBatches');
  require(isAmount(state.busyMs), 'state', 'busyMs');
  require(isAmount(state.upMs), 'state', 'upMs');
  require(isAmount(state.loopDelayMsP99), 'state', 'loopDelayMsP99');
  require(state.dropped === undefined || areAmounts(state.dropped), 'state', 'dropped');
  require(state.unserved === undefined || areAmounts(state.unserved), 'state', 'unserved');
  require(typeof state.emulated === 'boolean', 'state', 'emulated');
  require(state.certainties === undefined || areCertainties(state.certainties), 'state', 'certainties');
  require(state.suspects === undefined || areSuspects(state.suspects), 'state', 'suspects');
  require(state.audits === undefined || areAudits(state.audits), 'state', 'audits');
  require(state.measures === undefined || areMeasures(state.measures), 'state', 'measures');
  require(state.spare === undefined || typeof state.spare === 'boolean', 'state', 'spare');
  return { ...state, claim, absences, slowdown, starvedShare } as DeviceState;
}

/** The reason in it is not looked at: a gear whose reason cannot be read is in force all the same. See `isBasis`. */
export function decodeGear(data: Uint8Array): GearMessage {
  const gear = fieldsOf<GearMessage>('gear', data);
  require(isCount(gear.revision), 'gear', 'revision');
  require(isCount(gear.gear), 'gear', 'gear');
  require(isCount(gear.epoch), 'gear', 'epoch');
  require(isAmount(gear.decidedAt), 'gear', 'decidedAt');
  require(gear.lost === undefined || isToken(gear.lost), 'gear', 'lost');
  return gear as GearMessage;
}

/** One of the events of the deployment; what each holds its type says, and those look who act on it. */
export function decodeEvent(data: Uint8Array): { readonly type: string } {
  const event = fieldsOf<{ type: string }>('event', data);
  require(isText(event.type), 'event', 'type');
  return event as { readonly type: string };
}

/** The plan in it is not looked at: what a plan is, the receiver knows. */
export function decodePrepare(data: Uint8Array): PrepareMessage {
  const prepare = fieldsOf<PrepareMessage>('prepare', data);
  require(isCount(prepare.revision), 'prepare', 'revision');
  return prepare as PrepareMessage;
}

export function decodePrepared(data: Uint8Array): PreparedMessage {
  const prepared = fieldsOf<PreparedMessage>('prepared', data);
  require(isCount(prepared.revision), 'prepared', 'revision');
  require(isToken(prepared.device), 'prepared', 'device');
  require(isText(prepared.incarnation), 'prepared', 'incarnation');
  require(prepared.problem === undefined || isText(prepared.problem), 'prepared', 'problem');
  return prepared as PreparedMessage;
}

export function decodeVerdict(data: Uint8Array): PlanVerdict {
  const verdict = fieldsOf<PlanVerdict>('verdict', data);
  require(isCount(verdict.revision), 'verdict', 'revision');
  return verdict as PlanVerdict;
}

/** @throws MalformedMessage for what is no MessagePack map. */
function fieldsOf<T>(kind: string, data: Uint8Array): { [K in keyof T]?: unknown } {
  let value: unknown;
  try {
    value = decode(data);
  } catch {
    throw new MalformedMessage(kind, 'not MessagePack');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new MalformedMessage(kind, 'not a map');
  return value;
}

function require(good: boolean, kind: string, field: string): asserts good {
  if (!good) throw new MalformedMessage(kind, field);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isToken(value: unknown): value is string {
  return typeof value === 'string' && SUBJECT_TOKEN.test(value);
}

/** A number that indexes or counts. */
function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Beyond any time, load or memory that there is: sums of amounts stay finite, and so may be told again. */
const LARGEST_AMOUNT = 1e15;

function isAmount(value: unknown): value is number {
  return Number.isFinite(value) && (value as number) >= 0 && (value as number) <= LARGEST_AMOUNT;
}

/** Of time: shares and loads are divided by it. */
function isFactor(value: unknown): value is number {
  return isAmount(value) && value > 0;
}

function areAmounts(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  for (const key in value) if (!isAmount((value as Record<string, unknown>)[key])) return false;
  return true;
}

function areTexts(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.values(value).every(isText);
}

const RULES: readonly unknown[] = ['load', 'speed', 'backlog', 'held', 'settling'] satisfies GearBasis['rule'][];

/** Why a gear was chosen. */
export function isBasis(value: unknown): value is GearBasis {
  if (typeof value !== 'object' || value === null) return false;
  const { rule, ...amounts } = value as { [K in keyof GearBasis]?: unknown };
  const { qps, lowQps, highQps, scale, slowdown, firstQueue, backlog, excess, waitMs } = amounts;
  return RULES.includes(rule) && [qps, lowQps, highQps, scale, slowdown, firstQueue, backlog, excess, waitMs].every(isAmount);
}

function areCertainties(value: unknown): value is CertaintyCounts[] {
  if (!Array.isArray(value)) return false;
  return value.every((each: { [K in keyof CertaintyCounts]?: unknown } | null) => {
    if (typeof each !== 'object' || each === null) return false;
    const { revision, gear, model, counts } = each;
    return isCount(revision) && isCount(gear) && isText(model) && Array.isArray(counts) && counts.every(isCount);
  });
}

function areAudits(value: unknown): value is AuditCounts[] {
  if (!Array.isArray(value)) return false;
  return value.every((each: { [K in keyof AuditCounts]?: unknown } | null) => {
    if (typeof each !== 'object' || each === null) return false;
    const { revision, gear, model, answered, drawn, agreed, differed } = each;
    return [revision, gear, answered, drawn].every(isCount) && isText(model) && areCounts(agreed) && areCounts(differed);
  });
}

function areMeasures(value: unknown): value is ModelMeasures[] {
  if (!Array.isArray(value)) return false;
  return value.every((each: { [K in keyof ModelMeasures]?: unknown } | null) => {
    if (typeof each !== 'object' || each === null) return false;
    const { model, answers, totalMs, queueMs, computeMs, batchSize, batchMs } = each;
    if (!isText(model) || !Array.isArray(answers) || !answers.every(areAnswers)) return false;
    return (
      [totalMs, queueMs, computeMs, batchMs].every((times) => isHistogram(times, TIME_BOUNDS_MS)) &&
      isHistogram(batchSize, SIZE_BOUNDS)
    );
  });
}

function areAnswers(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { gear, exits } = value as { gear?: unknown; exits?: unknown };
  return isCount(gear) && areCounts(exits) && exits.length === EXITS.length;
}

function isHistogram(value: unknown, bounds: readonly number[]): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { counts, sum } = value as { counts?: unknown; sum?: unknown };
  return areCounts(counts) && counts.length === bounds.length + 1 && isAmount(sum);
}

function areCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isCount);
}

function areNumbers(value: unknown): value is number[] {
  if (!Array.isArray(value)) return false;
  for (let i = 0; i < value.length; i++) if (!Number.isSafeInteger(value[i])) return false;
  return true;
}
