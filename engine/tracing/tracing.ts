export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** Times are milliseconds since the Unix epoch, as a `Clock` has them. */
export interface SpanStart {
  readonly name: string;
  /** `server` for what somebody asked for, `internal` for a part of it. */
  readonly kind: 'server' | 'internal';
  /** W3C `traceparent` of what this is a part of; undefined, or none that can be read: it begins a trace. */
  readonly parent: string | undefined;
  readonly startedAt: number;
}

/** A piece of work under way. */
export interface Span {
  /** W3C `traceparent`, for those who go on with the work and decide for themselves whether they record it. */
  readonly context: string;
  /** The same; undefined where the trace was not drawn to be recorded. */
  readonly traceparent: string | undefined;
  /** Only the first call counts. @param error why it failed. */
  end(endedAt: number, attributes: Attributes, error?: string): void;
}

/** Where spans go. Where tracing is off there is none, and nobody asks for one. */
export interface Tracing {
  start(span: SpanStart): Span;
  /** Sends what has not been sent. */
  close(): Promise<void>;
}

/** Header of NATS messages, HTTP requests and gRPC calls. */
export const TRACE_HEADER = 'traceparent';
