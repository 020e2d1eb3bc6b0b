import type { ErrorCode } from '../../engine/errors.ts';

interface Reason {
  /** How the request ended. */
  readonly kind: 'refused' | 'expired' | 'failed' | 'cancelled';
  /** What its client is told; null: nothing, as it has gone. */
  readonly code: ErrorCode | null;
  readonly what: string;
}

/** Why a request that reached us got no result: all reasons there are, of frontends and devices. */
export const UNSERVED = {
  invalid: { kind: 'refused', code: 'INVALID_ARGUMENT', what: 'it is not a request that the family takes' },
  'too-large': { kind: 'refused', code: 'INVALID_ARGUMENT', what: 'its tensors do not fit into a message' },
  unfit: { kind: 'refused', code: 'INVALID_ARGUMENT', what: 'a model cannot take its inputs' },
  'impossible-deadline': {
    kind: 'refused',
    code: 'DEADLINE_EXCEEDED',
    what: 'its deadline is shorter than the first model takes',
  },
  overloaded: { kind: 'refused', code: 'RESOURCE_EXHAUSTED', what: 'no answer is expected within its deadline' },
  'no-room': { kind: 'refused', code: 'RESOURCE_EXHAUSTED', what: 'as many requests or bytes are here as may be' },
  'wrong-too-often': { kind: 'refused', code: 'RESOURCE_EXHAUSTED', what: 'its client sent too much that was wrong' },
  'no-device': { kind: 'refused', code: 'UNAVAILABLE', what: 'no device that holds the model can be reached' },
  'unknown-model': { kind: 'refused', code: 'NOT_FOUND', what: 'the family has no such model' },
  'no-time': { kind: 'expired', code: 'DEADLINE_EXCEEDED', what: 'it waited until no time was left to compute it' },
  'no-answer': { kind: 'expired', code: 'DEADLINE_EXCEEDED', what: 'no device had answered it at its deadline' },
  inference: { kind: 'failed', code: 'INTERNAL', what: 'a model failed on it alone' },
  'no-number': { kind: 'failed', code: 'INVALID_ARGUMENT', what: 'the last model gave no numbers (NaN)' },
  deadly: { kind: 'failed', code: 'INTERNAL', what: 'two devices died with it' },
  defect: { kind: 'failed', code: 'INTERNAL', what: 'an error of ours' },
  waiting: { kind: 'cancelled', code: null, what: 'its client gave it up before it was computed' },
  computing: { kind: 'cancelled', code: null, what: 'its client gave it up while it was computed' },
  unheard: { kind: 'cancelled', code: null, what: 'its client gave it up, and its device was heard of no more' },
} as const satisfies Readonly<Record<string, Reason>>;

export type UnservedReason = keyof typeof UNSERVED;
type UnservedKind = Reason['kind'];
/** The reasons that a client is told. */
export type ToldReason = { [K in UnservedReason]: (typeof UNSERVED)[K]['code'] extends ErrorCode ? K : never }[UnservedReason];

/** Requests without a result since the start of a role, by reason. On the wire there may be reasons of another version. */
export type UnservedCounts = Readonly<Record<string, number>>;
export type UnservedByKind = Partial<Record<UnservedKind, UnservedCounts>>;

/** False of a reason of another version of ours. */
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

/** For people and programs that want to know first how requests ended, then why. Reasons that are not known here are left out. */
export function byKind(counts: UnservedCounts): UnservedByKind {
  const kinds: Partial<Record<UnservedKind, Record<string, number>>> = {};
  for (const [reason, count] of Object.entries(counts)) {
    if (!isUnservedReason(reason)) continue;
    const { kind } = UNSERVED[reason];
    kinds[kind] = { ...kinds[kind], [reason]: count };
  }
  return kinds;
}
