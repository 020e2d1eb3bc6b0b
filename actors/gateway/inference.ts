import { filter, firstValueFrom, map, merge, type Observable, scan } from 'rxjs';
import type { Clock } from '../../engine/clock.ts';
import { CascadeError, messageOf } from '../../engine/errors.ts';
import type { Tracing } from '../../engine/tracing/tracing.ts';
import { type Failure, isFailure, type Result } from '../../plans/protocol/messages.ts';
import { errorOf } from '../client/answers.ts';
import type { CascadeClient } from '../client/client.ts';
import type { InferRequest } from '../client/request-body.ts';
import type { InferCall, OutputTensor } from './infer-call.ts';
import { joinAnswers } from './outputs.ts';
import { samplesOf } from './samples.ts';
import type { ServedModel } from './served-model.ts';
import type { Statistics } from './statistics.ts';

/** Samples under way through one gateway: what comes beyond is refused, so that memory is bounded. */
const MAX_UNDER_WAY = 32_768;
const RETRY_AFTER_MS = 1_000;
/** Of a client's id, within ours: it is for logs, need not be unique, and ours is at most 128 characters long. */
const ID_PREFIX_LENGTH = 80;

export interface InferenceOptions {
  readonly client: Pick<CascadeClient, 'inferMany'>;
  readonly clock: Clock;
  readonly model: ServedModel;
  readonly statistics: Statistics;
  /** Begins the ids of this gateway's requests; no other one's begin so. */
  readonly name: string;
  /** Where spans go; default: nothing is traced. */
  readonly tracing?: Tracing | undefined;
}

/** Answers requests of the Open Inference Protocol by asking the deployment, as any client does. */
export class Inference {
  readonly #options: InferenceOptions;
  #underWay = 0;
  #sequence = 0;

  constructor(options: InferenceOptions) {
    this.#options = options;
  }

  /**
   * Each sample is one request; the first that fails ends the others, as the protocol knows no answer to a part of a batch.
   * @param givenUp$ emits when nobody waits for the answer any more.
   * @throws CascadeError with the code and the message of the refusal.
   */
  async infer(call: InferCall, givenUp$: Observable<unknown>): Promise<OutputTensor[]> {
    const { clock, model, statistics, tracing } = this.#options;
    const startedAt = clock.now();
    model.check(call.model, call.version);
    const span = tracing?.start({ name: 'cascade.infer', kind: 'server', parent: call.traceparent, startedAt });
    try {
      const outputs = model.outputs(call.outputs);
      const samples = samplesOf(model.specs, call.inputs);
      const asked = {
        ...(call.deadlineMs === undefined ? {} : { deadlineMs: call.deadlineMs }),
        scores: outputs.some(({ needs }) => needs === 'scores'),
        outputs: outputs.filter(({ needs }) => needs === 'output').map(({ name }) => name),
        ...(span === undefined ? {} : { traceparent: span.context }),
      };
      const base = this.#newId(call.id);
      const requests = samples.map((inputs, i): InferRequest => ({ id: `${base}.${i}`, inputs, ...asked }));
      const results = await this.#ask(requests, base, givenUp$);
      const tensors = joinAnswers(outputs, results);
      statistics.onSuccess(results, clock.now() - startedAt, clock.now());
      span?.end(clock.now(), { 'cascade.samples': results.length });
      return tensors;
    } catch (error) {
      statistics.onFailure(clock.now() - startedAt);
      span?.end(clock.now(), {}, messageOf(error));
      throw error;
    }
  }

  #newId(given: string | undefined): string {
    const own = `${this.#options.name}-${this.#sequence++}`;
    return given === undefined || given === '' ? own : `${given.slice(0, ID_PREFIX_LENGTH)}~${own}`;
  }

  async #ask(requests: readonly InferRequest[], base: string, givenUp$: Observable<unknown>): Promise<readonly Result[]> {
    const count = requests.length;
    if (this.#underWay + count > MAX_UNDER_WAY) {
      const what = `${this.#underWay} samples are under way through this gateway; it takes at most ${MAX_UNDER_WAY}`;
      throw new CascadeError('RESOURCE_EXHAUSTED', what, RETRY_AFTER_MS);
    }
    this.#underWay += count;
    try {
      const answers$ = this.#options.client.inferMany(requests, { concurrency: count });
      const results = new Array<Result>(count);
      // Ending the stream gives up what is under way.
      const answered$ = merge(answers$, raise$(givenUp$)).pipe(
        scan((sofar, answer) => {
          const i = Number(answer.id.slice(base.length + 1));
          if (isFailure(answer)) throw failureOfSample(answer, i, count);
          results[i] = answer;
          return sofar + 1;
        }, 0),
        filter((sofar) => sofar === count),
      );
      await firstValueFrom(answered$);
      return results;
    } finally {
      this.#underWay -= count;
    }
  }
}

/** The client has gone: a code for nobody. */
function raise$(givenUp$: Observable<unknown>): Observable<never> {
  return givenUp$.pipe(
    map((): never => {
      throw new CascadeError('UNAVAILABLE', 'the request was given up');
    }),
  );
}

function failureOfSample(failure: Failure, sample: number, count: number): CascadeError {
  const { code, message, retryAfterMs } = errorOf(failure);
  return new CascadeError(code, count === 1 ? message : `sample ${sample}: ${message}`, retryAfterMs);
}
