import type { CascadeClient } from '../../engine/client/client.ts';
import type { Inputs } from '../../engine/client/request-body.ts';
import { CascadeError } from '../../engine/errors.ts';
import type { Result } from '../../engine/wire/messages.ts';
import type { RequestOutcome } from '../../plans/report-builder.ts';

/** How one request of a load run ended. Times count from the run's begin. */
export interface LoadOutcome {
  readonly request: number;
  readonly sample: number;
  /** Intended send time, from the trace. */
  readonly sentAtMs: number;
  /** From the intended send time to the answer. */
  readonly latencyMs: number;
  readonly outcome: RequestOutcome;
  /** Undefined unless completed. */
  readonly result: Result | undefined;
  readonly error: CascadeError | undefined;
}

export interface LoadRun {
  readonly client: Pick<CascadeClient, 'infer'>;
  /** Intended send times in milliseconds from the begin, ascending. */
  readonly arrivalsMs: Float64Array;
  /** Samples to send, in turn. */
  readonly samples: readonly number[];
  readonly inputsOf: (sample: number) => Inputs;
  readonly onOutcome: (outcome: LoadOutcome) => void;
  /** Ends the run early: what is not sent by then is not offered. */
  readonly signal?: AbortSignal;
}

/** Finest step of the sender; the latency counts from the intended time, so a late send shows as latency. */
const STEP_MS = 1;

/**
 * Open-loop load: sends by the clock, whatever the answers do (CascadeServe §6). Resolves when every request has ended; the
 * client bounds that by its deadline.
 * @returns the number of requests sent.
 */
export async function runOpenLoop(run: LoadRun): Promise<number> {
  const { arrivalsMs, samples } = run;
  const startedAt = performance.now();
  const pending = new Set<Promise<void>>();
  let sent = 0;
  await new Promise<void>((resolve) => {
    const step = (): void => {
      const now = performance.now() - startedAt;
      while (sent < arrivalsMs.length && arrivalsMs[sent] <= now) send(sent++);
      if (sent === arrivalsMs.length || run.signal?.aborted) resolve();
      else setTimeout(step, Math.max(STEP_MS, arrivalsMs[sent] - now));
    };
    run.signal?.addEventListener('abort', () => resolve(), { once: true });
    step();
  });
  await Promise.all(pending);
  return sent;

  function send(request: number): void {
    const sample = samples[request % samples.length];
    const sentAtMs = arrivalsMs[request];
    const ended = (outcome: RequestOutcome, result?: Result, error?: CascadeError): void => {
      run.onOutcome({ request, sample, sentAtMs, latencyMs: performance.now() - startedAt - sentAtMs, outcome, result, error });
    };
    const answer = run.client.infer(run.inputsOf(sample)).then(
      (result) => ended('completed', result),
      (error) => ended(outcomeOf(error), undefined, asCascadeError(error)),
    );
    pending.add(answer);
    void answer.finally(() => pending.delete(answer));
  }
}

function outcomeOf(error: unknown): RequestOutcome {
  if (!(error instanceof CascadeError)) return 'error';
  switch (error.code) {
    case 'RESOURCE_EXHAUSTED':
      return 'rejected';
    // No result within the deadline, whether somebody said so or nobody answered.
    case 'DEADLINE_EXCEEDED':
      return 'lost';
    default:
      return 'error';
  }
}

function asCascadeError(error: unknown): CascadeError {
  return error instanceof CascadeError ? error : new CascadeError('INTERNAL', String(error));
}
