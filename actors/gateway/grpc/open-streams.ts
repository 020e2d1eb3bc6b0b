import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { Logger } from '../../../engine/log.ts';
import { FAILED, type GrpcFailure } from './failure.ts';

export const DRAINING = 'the gateway is draining; send the request again on a new connection';

type Stream<Request, Response> = Pick<
  ServerDuplexStream<Request, Response>,
  'on' | 'once' | 'emit' | 'write' | 'pause' | 'resume' | 'end' | 'cancelled'
>;

/** Streams of messages and their answers, as long as they are open. */
export class OpenStreams {
  readonly #log: Logger;
  readonly #endings = new Set<() => void>();
  #draining = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Whether new messages have to be refused. */
  get draining(): boolean {
    return this.#draining;
  }

  /** Ends each stream as soon as all its messages are answered, because a client may keep an idle one open for ever. */
  drain(): void {
    this.#draining = true;
    for (const endIfDone of [...this.#endings]) endIfDone();
  }

  /** Answers each message as soon as possible, so answers may overtake one another. Ends when all are answered. */
  open<Request, Response>(call: Stream<Request, Response>, answer: (request: Request) => Promise<Response>): void {
    let waiting = 0;
    let isPaused = false;
    let clientHasEnded = false;
    let isOver = false;
    const over = (): void => {
      isOver = true;
      this.#endings.delete(endIfDone);
    };
    const fail = (failure: GrpcFailure): void => {
      over();
      // How the library wants to be told of a status; answers that are written go first.
      call.emit('error', failure);
    };
    const endIfDone = (): void => {
      if (isOver || waiting > 0) return;
      if (clientHasEnded) {
        over();
        call.end();
      } else if (this.#draining) fail({ code: status.UNAVAILABLE, details: DRAINING });
    };
    const answerOne = async (request: Request): Promise<void> => {
      waiting++;
      const response = await answer(request);
      waiting--;
      if (isOver || call.cancelled) return;
      // A client that does not read its answers is not read either.
      if (!call.write(response) && !isPaused) {
        isPaused = true;
        call.pause();
        call.once('drain', () => {
          isPaused = false;
          call.resume();
        });
      }
      endIfDone();
    };
    this.#endings.add(endIfDone);
    call.on('data', (request: Request) => {
      if (isOver) return;
      answerOne(request).catch((error) => {
        this.#log.error({ err: error }, 'a stream failed because of a bug in the gateway');
        fail(FAILED);
      });
    });
    call.on('end', () => {
      clientHasEnded = true;
      endIfDone();
    });
    call.on('close', over);
    endIfDone();
  }
}
