import type { NatsSettings } from '../../plans/domain/deployment/deployment.ts';
import type { Bodies } from './bodies.ts';

/** How the sending thread reaches NATS: plain data, because it opens its own connection. */
export interface SenderConnection {
  readonly servers: readonly string[];
  readonly nats: NatsSettings;
}

/** The subject for the answer to a request. */
export function replySubject(inbox: string, request: number): string {
  return `${inbox}.${request.toString(36)}`;
}

/** The request that an answer on this subject belongs to; NaN if there is none. */
export function requestOf(subject: string, inbox: string): number {
  return Number.parseInt(subject.slice(inbox.length + 1), 36);
}

/** Settings of the sending thread. Arrays are shared with the thread that started it. */
export interface SenderSettings extends SenderConnection {
  readonly subject: string;
  /** See `replySubject`. */
  readonly inbox: string;
  /** Intended send times from the start, ascending. */
  readonly arrivalsMs: Float64Array<SharedArrayBuffer>;
  /** Request i has body `i % bodies`. */
  readonly bodies: Bodies;
  /** Written by the sender: actual minus intended send time. */
  readonly lagMs: Float64Array<SharedArrayBuffer>;
  readonly control: Int32Array<SharedArrayBuffer>;
}

/** Slots of `control`: non-zero = stop sending; number of requests sent. */
export const STOP = 0;
export const SENT = 1;

/** Messages to the sender. */
export type SenderOrder =
  /** By the clock that threads share, `monotonicMs`. */
  | { readonly type: 'begin'; readonly beginMs: number }
  /**
   * Whether to receive NATS's notices that nobody listens. NATS sends them only to the connection that published the request, and only if
   * that also receives the answers, which the sender avoids while there are some. It starts out listening.
   */
  | { readonly type: 'listen'; readonly on: boolean }
  /** End: nothing more is expected. */
  | { readonly type: 'close' };

/** Messages from the sender. */
export type SenderNews =
  | { readonly type: 'ready' }
  /** There was no connection, or the request cannot be sent as it is. */
  | { readonly type: 'unsent'; readonly request: number }
  /** NATS reports that nobody listens to this request. */
  | { readonly type: 'nobody'; readonly request: number }
  /** The connection was lost and is back: requests in flight may be lost. */
  | { readonly type: 'reconnected' }
  | { readonly type: 'done' };
