/** Receives the answers as they arrive. */
export interface AnswerSink {
  /** @param gear of the answer, -1 if there are no gears. */
  answered(request: number, label: number, model: string, gear: number): void;
  failed(request: number, error: string): void;
}

/** How requests reach the server. Bodies are indexed by sample. */
export interface Transport {
  /** Sends the requests from `from` to `to` - 1. */
  send(from: number, to: number): void;
  /** Requests that waited in this process for a free connection. */
  readonly waited: number;
  close(): void;
}
