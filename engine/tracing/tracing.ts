export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** Times are milliseconds since the Unix epoch, as from `Clock`. */
export interface SpanStart {
  readonly name: string;
  /** `server` for a request, `internal` for a part of one. */
  readonly kind: 'server' | 'internal';
  /** W3C `traceparent` of the parent span; undefined or unreadable: this span starts a trace. */
  readonly parent: string | undefined;
  readonly startedAt: number;
}

/** A piece of work under way. */
export interface Span {
  /** W3C `traceparent` for whoever continues the work and decides for itself whether to record. */
  readonly context: string;
  /** The same; undefined if the trace is not sampled. */
  readonly traceparent: string | undefined;
  /** Only the first call counts. @param error why the work failed. */
  end(endedAt: number, attributes: Attributes, error?: string): void;
}

/** Where spans go. Does not exist while tracing is off. */
export interface Tracing {
  start(span: SpanStart): Span;
  /** Sends the remaining spans. */
  close(): Promise<void>;
}

/** Header of NATS messages, HTTP requests and gRPC calls. */
export const TRACE_HEADER = 'traceparent';
