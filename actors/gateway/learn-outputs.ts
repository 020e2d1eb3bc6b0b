import { CascadeError, messageOf } from '../../engine/errors.ts';
import type { Logger } from '../../engine/log.ts';
import { MAX_OUTPUTS } from '../../plans/protocol/request.ts';
import type { CascadeClient } from '../client/client.ts';
import type { Inputs } from '../client/request-body.ts';
import type { ServedModel } from './served-model.ts';

export interface OutputLearningOptions {
  readonly client: Pick<CascadeClient, 'infer'>;
  readonly model: ServedModel;
  /** Samples to ask for the outputs of. */
  readonly warmUp: readonly Inputs[];
  readonly log: Logger;
}

/**
 * After so many, an output is left out: each may have had a passing cause, but a model server that keeps failing, even on one output, is
 * taken for lost.
 */
const MAX_FAILURES = 3;

/** Asks the deployment for the models' own outputs, to learn their types and shapes. Some may not be possible to return. */
export class OutputLearning {
  readonly #options: OutputLearningOptions;
  /** Outputs to ask for together. */
  readonly #groups: (readonly string[])[] = [];
  /** How often each output failed when it was asked for alone. */
  readonly #failures = new Map<string, number>();

  constructor(options: OutputLearningOptions) {
    this.#options = options;
    const names = options.model.outputsOfModels;
    for (let i = 0; i < names.length; i += MAX_OUTPUTS) this.#groups.push(names.slice(i, i + MAX_OUTPUTS));
  }

  /** Never rejects. @returns whether everything has been tried; false: call again later. */
  async learn(): Promise<boolean> {
    const { client, model, warmUp } = this.#options;
    const again: (readonly string[])[] = [];
    for (let names = this.#groups.shift(); names !== undefined; names = this.#groups.shift()) {
      const asked = { outputs: names };
      try {
        model.learn(names, await Promise.all(warmUp.map((inputs) => client.infer(inputs, asked))));
      } catch (error) {
        if (isBusy(error)) {
          again.push(names);
          break;
        }
        // The others may be possible, or an answer with all of them too large.
        if (names.length > 1) this.#groups.push(...names.map((name) => [name]));
        else if (this.#mayWork(names[0], error)) again.push(names);
        else this.#leaveOut(names[0], error);
      }
    }
    this.#groups.push(...again);
    return this.#groups.length === 0;
  }

  /** Whether asking for an output again may succeed. */
  #mayWork(name: string, error: unknown): boolean {
    const failures = (this.#failures.get(name) ?? 0) + 1;
    this.#failures.set(name, failures);
    const isRefused = error instanceof CascadeError && error.code === 'INVALID_ARGUMENT';
    return !isRefused && failures < MAX_FAILURES;
  }

  #leaveOut(name: string, error: unknown): void {
    this.#options.model.onNotReturned(name);
    this.#options.log.warn(
      { output: name, reason: messageOf(error) },
      'a model output cannot be returned; the metadata leave it out',
    );
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof CascadeError && ['RESOURCE_EXHAUSTED', 'UNAVAILABLE', 'DEADLINE_EXCEEDED'].includes(error.code);
}
