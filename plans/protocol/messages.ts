import type { ErrorCode } from '../../engine/errors.ts';
import type { Dtype, Sample } from '../../engine/tensor/tensor.ts';

/** Why a request ended where it did: certain enough; last model; no time for the next model; no later model in the gear. */
export const EXITS = ['certain', 'last', 'deadline', 'gear'] as const;
export type Exit = (typeof EXITS)[number];

/** A model's prediction for a sample; the deployment's task determines which field is set. */
export interface Prediction {
  /** Number of the class. */
  label?: number;
  /** Numbers of the labels that apply, ascending. */
  labels?: readonly number[];
  /** For regression: a number, or one per column of the output. */
  value?: number | readonly number[];
}

/** One output for one sample. */
export interface OutputValue {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Row-major, little-endian; in JSON, a flat list of the values. */
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
  /** Index of the model in the gear's cascade, 0 = first; -1 when the model is no longer in the gear. */
  stage: number;
  exit: Exit;
  gear: number;
  revision: number;
  timing: { queueMs: number; computeMs: number; totalMs: number };
  /** Class scores as output by the model, if the request asked for them. */
  scores?: number[];
  /** Outputs that the request asked for, by name. */
  outputs?: Readonly<Record<string, OutputValue>>;
}

/**
 * One refused or failed request. The code and the message are also in the headers `Nats-Service-Error-Code` and `-Error`. Refused
 * requests of one frame are answered with a list; they share a code, and the headers carry the first message.
 */
export interface Failure {
  id: string;
  /**
   * Set when so many requests of a message were refused that separate answers would be far larger than the message: the ids of the
   * others, if they have any; `id` is empty then.
   */
  ids?: readonly string[];
  error: {
    code: ErrorCode;
    message: string;
    /**
     * With RESOURCE_EXHAUSTED: milliseconds after which the deployment expects to have room, if its load allows; also in the header
     * `Retry-After-Ms`. A retry before that is likely to be refused again.
     */
    retryAfterMs?: number;
    /** Retrying would end the same way; also in the header `Cascade-Retry: never`. */
    final?: boolean;
  };
}

export type Answer = Result | Failure;

export function isFailure(answer: Answer): answer is Failure {
  return 'error' in answer;
}

/** Answer of a smaller model, kept while a larger one runs: it stands if there is no time for the larger one. */
export interface Opinion extends Readonly<Prediction> {
  readonly certainty: number;
  readonly model: string;
  readonly stage: number;
  /** Gear and revision under which it was given: another plan may have brought other weights since. */
  readonly gear: number;
  readonly revision: number;
  readonly scores?: readonly number[];
  readonly outputs?: Readonly<Record<string, OutputValue>>;
}

/**
 * A request in transit between frontend and replicas. Times on the wire are ages rather than dates, so the clocks of two hosts need
 * not agree.
 */
export interface WorkItem {
  /** Number of the request at its frontend; notes about finished requests use it. */
  readonly seq: number;
  /** Number of its client, for sharing the devices fairly (see ClientNumbers). Default 0. */
  readonly client?: number | undefined;
  readonly id: string;
  /** Subject to answer on. */
  readonly reply: string;
  /** Encoding of the answer. */
  readonly json: boolean;
  readonly wantScores: boolean;
  /** Names of outputs; default: none. */
  readonly wantOutputs?: readonly string[] | undefined;
  /** Run it in a batch of its own, because it may have killed a device. */
  readonly alone: boolean;
  /** When the frontend accepted it, on the receiver's clock. */
  readonly arrivedAt: number;
  readonly deadlineAt: number;
  /** Waiting and computing time so far, over all stages. */
  readonly queueMs: number;
  readonly computeMs: number;
  readonly opinion: Opinion | undefined;
  /** W3C `traceparent` of the frontend's span; undefined where the request is not traced. */
  readonly trace?: string | undefined;
  readonly sample: Sample;
}

/** Requests from one frontend for one replica. */
export interface WorkFrame {
  /** Name of the frontend that waits for these requests. */
  readonly origin: string;
  readonly items: readonly WorkItem[];
}

/** Replica -> frontend: what has ended, and what moved on to another device (so that it can be sent again if that one dies). */
export interface DoneFrame {
  readonly device: string;
  readonly finished: readonly number[];
  /** How many of the finished requests ended without an inference: refused, or out of time. */
  readonly dropped: number;
  readonly moved: readonly { readonly device: string; readonly seqs: readonly number[] }[];
}

/** An answered request to check with the most accurate model when a device that holds it has spare time. */
export interface AuditItem {
  /** The answer that was given. */
  readonly opinion: Opinion;
  readonly sample: Sample;
}
