import type { ErrorCode } from '../../engine/errors.ts';
import type { Dtype, Sample } from '../../engine/tensor/tensor.ts';

/** Why a request ended where it did: certain enough; the last model; no time to go on; no later model in the gear. */
export const EXITS = ['certain', 'last', 'deadline', 'gear'] as const;
export type Exit = (typeof EXITS)[number];

/** What a model says of a sample; which field, by the deployment's task. */
export interface Prediction {
  /** Number of the class. */
  label?: number;
  /** Numbers of the labels that apply, ascending. */
  labels?: readonly number[];
  /** Of regression: a number, or one per column of the output. */
  value?: number | readonly number[];
}

/** One output for one sample. */
export interface OutputValue {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Row-major, little-endian; in JSON a flat list of the values. */
  readonly data: Uint8Array;
}

/** One answered request. */
export interface Result extends Prediction {
  id: string;
  className?: string;
  /** Names of the `labels`. */
  classNames?: string[];
  certainty: number;
  model: string;
  /** Index of the model in the cascade of the gear, 0 = first; -1 when the model has left the gear meanwhile. */
  stage: number;
  exit: Exit;
  gear: number;
  revision: number;
  timing: { queueMs: number; computeMs: number; totalMs: number };
  /** Class scores as the model gives them, when the request asked for them. */
  scores?: number[];
  /** Outputs of the model that the request asked for, by name. */
  outputs?: Readonly<Record<string, OutputValue>>;
}

/**
 * One refused or failed request. The code and the message are also in the headers `Nats-Service-Error-Code` and `-Error`.
 * Refusals of requests that came in one frame are a list, which is of one code; its headers have the first one's message.
 */
export interface Failure {
  id: string;
  /**
   * Of a message in which so many requests were refused that the answer would be far larger than the message: the ids of those that
   * are not told one by one, where they have any; `id` is empty then.
   */
  ids?: readonly string[];
  error: {
    code: ErrorCode;
    message: string;
    /**
     * With RESOURCE_EXHAUSTED: milliseconds after which the deployment expects to have room, if its load allows; also in the
     * header `Retry-After-Ms`. Whoever asks again before is likely to be refused again.
     */
    retryAfterMs?: number;
    /** Another try would end the same way; also in the header `Cascade-Retry: never`. */
    final?: boolean;
  };
}

export type Answer = Result | Failure;

export function isFailure(answer: Answer): answer is Failure {
  return 'error' in answer;
}

/** An answer of a cheaper model, kept while a dearer one is asked: it stands if there is no time for the dearer one. */
export interface Opinion extends Readonly<Prediction> {
  readonly certainty: number;
  readonly model: string;
  readonly stage: number;
  /** By which it was given: another plan may have put other weights in force since. */
  readonly gear: number;
  readonly revision: number;
  readonly scores?: readonly number[];
  readonly outputs?: Readonly<Record<string, OutputValue>>;
}

/**
 * A request on its way between frontend and replicas. Times on the wire are ages, not dates, so that the clocks of two
 * hosts need not agree.
 */
export interface WorkItem {
  /** Number of the request at its frontend; finished ids go back by it. */
  readonly seq: number;
  /** Number of its client, which gets its share of the devices beside others (see ClientNumbers). Default 0. */
  readonly client?: number | undefined;
  readonly id: string;
  /** Subject of the answer. */
  readonly reply: string;
  /** Encoding of the answer. */
  readonly json: boolean;
  readonly wantScores: boolean;
  /** Names of outputs; default: none. */
  readonly wantOutputs?: readonly string[] | undefined;
  /** To be run in a batch of its own: it may have killed a device. */
  readonly alone: boolean;
  /** Since the frontend took it, on the receiver's clock. */
  readonly arrivedAt: number;
  readonly deadlineAt: number;
  /** Waiting and computing so far, in all stages. */
  readonly queueMs: number;
  readonly computeMs: number;
  readonly opinion: Opinion | undefined;
  /** W3C `traceparent` of the frontend's span; undefined where the request is not traced. */
  readonly trace?: string | undefined;
  readonly sample: Sample;
}

/** Requests of one origin for one replica. */
export interface WorkFrame {
  /** Name of the frontend that waits for these requests. */
  readonly origin: string;
  readonly items: readonly WorkItem[];
}

/** Replica -> frontend: what has ended, and what went on to another device (so that it can be sent again if that dies). */
export interface DoneFrame {
  readonly device: string;
  readonly finished: readonly number[];
  /** How many of the finished ended without an inference: refused, or out of time. */
  readonly dropped: number;
  readonly moved: readonly { readonly device: string; readonly seqs: readonly number[] }[];
}

/** An answered request about which the most accurate model is asked, too, when a device that holds it has time to spare. */
export interface AuditItem {
  /** The answer that was given. */
  readonly opinion: Opinion;
  readonly sample: Sample;
}
