import { type Observable, Subscription } from 'rxjs';
import { beginningOf } from '../../engine/beginning-of.ts';
import type { Clock } from '../../engine/clock.ts';
import { CascadeError, messageOf } from '../../engine/errors.ts';
import type { OipTensor } from '../../engine/oip/oip-client.ts';
import type { Tracing } from '../../engine/tracing/tracing.ts';
import { type Answer, type Failure, isFailure, type Result } from '../../plans/protocol/messages.ts';
import { errorOf } from '../client/answers.ts';
import type { SharedClient } from '../client/client.ts';
import type { InferRequest } from '../client/request-body.ts';
import type { InferCall } from './infer-call.ts';
import { joinAnswers } from './outputs.ts';
import { samplesOf } from './samples.ts';
import type { ServedModel } from './served-model.ts';
import type { Statistics } from './statistics.ts';

/** Maximum number of samples in flight from one gateway, which bounds its memory; more are refused. */
const MAX_UNDER_WAY = 32_768;
const RETRY_AFTER_MS = 1_000;
/** How much of a client's id our id contains. It is for logs and need not be unique; our id has at most 128 characters. */
const ID_PREFIX_LENGTH = 80;

export interface InferenceOptions {
  readonly client: Pick<SharedClient, 'send'>;
  readonly clock: Clock;
  readonly model: ServedModel;
  readonly statistics: Statistics;
  /** Prefix of this gateway's request ids, unique to it. */
  readonly name: string;
  /** Default: no tracing. */
  readonly tracing?: Tracing | undefined;
}

/** Answers requests of the Open Inference Protocol by sending their samples to the deployment. */
export class Inference {
  readonly #options: InferenceOptions;
  #underWay = 0;
  #sequence = 0;

  constructor(options: InferenceOptions) {
    this.#options = options;
  }

  /**
   * Sends each sample as one request. The first failure cancels the others, because the protocol cannot answer part of a batch.
   * @param cancel$ emits when the client has gone.
   * @throws CascadeError with the code and message of the failure.
   */
  async infer(call: InferCall, cancel$: Observable<unknown>): Promise<OipTensor[]> {
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
      const results = await this.#ask(requests, cancel$);
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
    return given === undefined || given === '' ? own : `${beginningOf(given, ID_PREFIX_LENGTH)}~${own}`;
  }

  #ask(requests: readonly InferRequest[], cancel$: Observable<unknown>): Promise<readonly Result[]> {
    const count = requests.length;
    if (this.#underWay + count > MAX_UNDER_WAY) {
      const what = `${this.#underWay} samples are in flight from this gateway; it accepts at most ${MAX_UNDER_WAY}`;
      throw new CascadeError('RESOURCE_EXHAUSTED', what, RETRY_AFTER_MS);
    }
    this.#underWay += count;
    return new Promise((resolve, reject) => {
      const results = new Array<Result>(count);
      const cancellations: (() => void)[] = [];
      let answered = 0;
      let isOver = false;
      const end = (): void => {
        isOver = true;
        this.#underWay -= count;
        gone.unsubscribe();
      };
      const fail = (error: unknown): void => {
        if (isOver) return;
        end();
        for (const cancel of cancellations) cancel();
        reject(error);
      };
      const gone = new Subscription();
      // Nobody reads this error, so any code will do.
      gone.add(cancel$.subscribe(() => fail(new CascadeError('UNAVAILABLE', 'the client cancelled the request'))));
      const settle = (i: number, answer: Answer): void => {
        if (isOver) return;
        if (isFailure(answer)) {
          fail(failureOfSample(answer, i, count));
          return;
        }
        results[i] = answer;
        if (++answered < count) return;
        end();
        resolve(results);
      };
      try {
        for (let i = 0; i < count && !isOver; i++)
          cancellations.push(this.#options.client.send(requests[i], (answer) => settle(i, answer)));
      } catch (error) {
        fail(error);
      }
    });
  }
}

function failureOfSample(failure: Failure, sample: number, count: number): CascadeError {
  const { code, message, retryAfterMs } = errorOf(failure);
  return new CascadeError(code, count === 1 ? message : `sample ${sample}: ${message}`, retryAfterMs);
}
