import type { ErrorCode } from '../../engine/errors.ts';

interface Reason {
  /** How the request ended. */
  readonly kind: 'refused' | 'expired' | 'failed' | 'cancelled';
  /** Error code sent to the client; null when there is none because it cancelled. */
  readonly code: ErrorCode | null;
  readonly what: string;
}

/** All reasons why a frontend or device gives a request no result. */
export const UNSERVED = {
  invalid: { kind: 'refused', code: 'INVALID_ARGUMENT', what: 'it is not a valid request for this family' },
  'too-large': { kind: 'refused', code: 'INVALID_ARGUMENT', what: 'its tensors do not fit into a message' },
  unfit: { kind: 'refused', code: 'INVALID_ARGUMENT', what: 'a model does not accept its inputs' },
  'impossible-deadline': {
    kind: 'refused',
    code: 'DEADLINE_EXCEEDED',
    what: 'its deadline is shorter than the first model needs',
  },
  overloaded: { kind: 'refused', code: 'RESOURCE_EXHAUSTED', what: 'no answer is expected within its deadline' },
  'no-room': { kind: 'refused', code: 'RESOURCE_EXHAUSTED', what: 'the limit on requests or bytes is reached' },
  'wrong-too-often': { kind: 'refused', code: 'RESOURCE_EXHAUSTED', what: 'its client sent too many invalid requests' },
  'no-device': { kind: 'refused', code: 'UNAVAILABLE', what: 'no device that holds the model can be reached' },
  'unknown-model': { kind: 'refused', code: 'NOT_FOUND', what: 'the family has no such model' },
  'no-time': { kind: 'expired', code: 'DEADLINE_EXCEEDED', what: 'it waited until there was no time left to compute it' },
  'no-answer': { kind: 'expired', code: 'DEADLINE_EXCEEDED', what: 'no device answered it before its deadline' },
  inference: { kind: 'failed', code: 'INTERNAL', what: 'a model failed on it alone' },
  'no-number': { kind: 'failed', code: 'INVALID_ARGUMENT', what: 'the last model answered NaN' },
  deadly: { kind: 'failed', code: 'INTERNAL', what: 'two devices died with it' },
  defect: { kind: 'failed', code: 'INTERNAL', what: 'an internal error' },
  waiting: { kind: 'cancelled', code: null, what: 'its client cancelled it before it was computed' },
  computing: { kind: 'cancelled', code: null, what: 'its client cancelled it while it was computed' },
  unheard: { kind: 'cancelled', code: null, what: 'its client cancelled it, and its device disappeared' },
} as const satisfies Readonly<Record<string, Reason>>;

export type UnservedReason = keyof typeof UNSERVED;
type UnservedKind = Reason['kind'];
/** The reasons that are sent to clients. */
export type ReportedReason = {
  [K in UnservedReason]: (typeof UNSERVED)[K]['code'] extends ErrorCode ? K : never;
}[UnservedReason];

/** Requests without a result since a role started, by reason. Reasons of another version may arrive on the wire. */
export type UnservedCounts = Readonly<Record<string, number>>;
export type UnservedByKind = Partial<Record<UnservedKind, UnservedCounts>>;

/** False for a reason that only another version has. */
export function isUnservedReason(reason: string): reason is UnservedReason {
  return Object.hasOwn(UNSERVED, reason);
}

/** Counts the requests of one role that get no result. */
export class Unserved {
  readonly #counts = new Map<UnservedReason, number>();

  get counts(): UnservedCounts {
    return Object.fromEntries(this.#counts);
  }

  count(reason: UnservedReason): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }
}

/** Groups reasons by how requests ended. Unknown reasons are left out. */
export function byKind(counts: UnservedCounts): UnservedByKind {
  const kinds: Partial<Record<UnservedKind, Record<string, number>>> = {};
  for (const [reason, count] of Object.entries(counts)) {
    if (!isUnservedReason(reason)) continue;
    const { kind } = UNSERVED[reason];
    kinds[kind] = { ...kinds[kind], [reason]: count };
  }
  return kinds;
}
