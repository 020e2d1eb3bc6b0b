import type { NatsSettings } from '../../plans/domain/deployment/deployment.ts';
import type { Bodies } from './bodies.ts';

/** How the sending thread reaches NATS: plain data, as it connects by itself. */
export interface SenderConnection {
  readonly servers: readonly string[];
  readonly nats: NatsSettings;
}

/** The subject on which a request has its answer. */
export function replySubject(inbox: string, request: number): string {
  return `${inbox}.${request.toString(36)}`;
}

/** The request whose answer has come on this subject: not a number where it is of none. */
export function requestOf(subject: string, inbox: string): number {
  return Number.parseInt(subject.slice(inbox.length + 1), 36);
}

/** What the sending thread is given. Arrays are shared with the thread that started it. */
export interface SenderSettings extends SenderConnection {
  readonly subject: string;
  /** See `replySubject`. */
  readonly inbox: string;
  /** Intended send times from the begin, ascending. */
  readonly arrivalsMs: Float64Array<SharedArrayBuffer>;
  /** Request i has body `i % bodies`. */
  readonly bodies: Bodies;
  /** Written by the sender: actual minus intended send time. */
  readonly lagMs: Float64Array<SharedArrayBuffer>;
  readonly control: Int32Array<SharedArrayBuffer>;
}

/** Slots of `control`: not 0 = send no more; how many requests were sent. */
export const STOP = 0;
export const SENT = 1;

/** To the sender. */
export type SenderOrder =
  /** By the clock that threads share, `monotonicMs`. */
  | { readonly type: 'begin'; readonly beginMs: number }
  /**
   * Whether to hear what NATS says when nobody listens to a request. It says so only to the connection that has sent it, and only if
   * that takes the answers, too: the sender spares itself the answers as long as there are some. It begins by listening.
   */
  | { readonly type: 'listen'; readonly on: boolean }
  /** End: nothing more is to be heard. */
  | { readonly type: 'close' };

/** From the sender. */
export type SenderNews =
  | { readonly type: 'ready' }
  /** There was no connection, or it cannot be sent as it is. */
  | { readonly type: 'unsent'; readonly request: number }
  /** Nobody listens, says NATS about this one. */
  | { readonly type: 'nobody'; readonly request: number }
  /** The connection was lost and is there again: what was under way may be lost. */
  | { readonly type: 'reconnected' }
  | { readonly type: 'done' };
