import type { sendUnaryData } from '@grpc/grpc-js';
import type { Logger } from '../../../engine/log.ts';
import { FAILED, failureOf } from './failure.ts';

/** Answers a call with what a method returns or throws. Never rejects, because an unhandled rejection ends the process. */
export async function respondWith(
  respond: sendUnaryData<object>,
  method: () => object | Promise<object>,
  log: Logger,
): Promise<void> {
  try {
    const outcome = await Promise.resolve()
      .then(method)
      .then(
        (response) => ({ failure: null, response }),
        (error) => ({ failure: failureOf(error, log), response: undefined }),
      );
    respond(outcome.failure, outcome.response);
  } catch (error) {
    log.error({ err: error }, 'an answer could not be sent because of a bug in the gateway');
    // With these words it can be sent, unless the connection is broken.
    await Promise.resolve(FAILED)
      .then(respond)
      .catch((again) => log.error({ err: again }, 'nor could the error'));
  }
}
