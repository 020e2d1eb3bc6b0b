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

/** Asks the deployment for the models' own outputs, to learn their types and shapes. Some may not be possible to return. */
export class OutputLearning {
  readonly #options: OutputLearningOptions;
  /** Outputs to ask for together. */
  readonly #groups: (readonly string[])[] = [];

  constructor(options: OutputLearningOptions) {
    this.#options = options;
    const names = options.model.outputsOfModels;
    for (let i = 0; i < names.length; i += MAX_OUTPUTS) this.#groups.push(names.slice(i, i + MAX_OUTPUTS));
  }

  /** Never rejects. @returns whether everything has been tried; false: the deployment is busy, so call again later. */
  async learn(): Promise<boolean> {
    const { client, model, warmUp, log } = this.#options;
    for (let names = this.#groups.at(0); names !== undefined; names = this.#groups.at(0)) {
      const asked = { outputs: names };
      try {
        model.learn(names, await Promise.all(warmUp.map((inputs) => client.infer(inputs, asked))));
      } catch (error) {
        if (isTransient(error)) return false;
        // The others may be possible, or an answer with all of them too large.
        if (names.length > 1) this.#groups.push(...names.map((name) => [name]));
        else {
          model.onNotReturned(names[0]);
          log.warn(
            { output: names[0], reason: messageOf(error) },
            'a model output cannot be returned; the metadata leave it out',
          );
        }
      }
      this.#groups.shift();
    }
    return true;
  }
}

function isTransient(error: unknown): boolean {
  return error instanceof CascadeError && ['RESOURCE_EXHAUSTED', 'UNAVAILABLE', 'DEADLINE_EXCEEDED'].includes(error.code);
}
