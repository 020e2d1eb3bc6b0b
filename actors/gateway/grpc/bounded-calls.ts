import { constants, type ServerHttp2Stream } from 'node:http2';
import { ServerInterceptingCall, type ServerInterceptor, status } from '@grpc/grpc-js';
import type { Logger } from '../../../engine/log.ts';
import type { RequestMemory } from '../request-memory.ts';
import { failureOf } from './failure.ts';

/** A message of a stream. */
export interface StreamMessage {
  readonly bytes: Buffer;
  /** Gives its memory back, once it is answered. */
  readonly done: () => void;
}

/**
 * What the library keeps to itself, although it only passes on whole messages and so cannot bound the parts that it keeps. Its version is
 * pinned; without these, no call would be accepted.
 */
interface Hidden {
  readonly stream: ServerHttp2Stream;
  readonly incomingEncoding: string;
}

/** Precede each message. */
const FRAME_BYTES = 5;

/**
 * Accounts for the bytes of a call as they arrive, until it is over; those of a stream until their message is done. Calls that do not fit
 * are refused, and so are compressed messages, because the library decodes them before anything could count what they become.
 */
export function boundedCalls(memory: RequestMemory, log: Logger): ServerInterceptor {
  return ({ requestStream }, call) => {
    const { stream, incomingEncoding } = call as unknown as Hidden;
    if (incomingEncoding !== 'identity') {
      const details = `compressed messages (grpc-encoding: ${incomingEncoding.slice(0, 40)}) are not accepted; send them as they are`;
      call.sendStatus({ code: status.UNIMPLEMENTED, details });
      return new ServerInterceptingCall(call);
    }
    const { take, giveBack } = memory.open();
    let isRefused = false;
    stream.on('data', (chunk: Buffer) => {
      if (!isRefused) {
        try {
          take(chunk.length);
          return;
        } catch (error) {
          isRefused = true;
          refuse(error);
        }
      }
      // Until the stream is closed, the library would keep more.
      stream.pause();
    });
    stream.once('close', () => giveBack());

    /** Also closes the stream: until then, the library keeps what has arrived, and a client may leave it open. */
    function refuse(error: unknown): void {
      const close = (): void => stream.close(constants.NGHTTP2_NO_ERROR);
      const sendsTrailers = stream.headersSent && !stream.writableEnded;
      call.sendStatus(failureOf(error, log));
      // Closed at once, the stream would end without them.
      if (sendsTrailers) stream.once('wantTrailers', () => setImmediate(close));
      else close();
    }

    if (!requestStream) return new ServerInterceptingCall(call);
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMessage: (bytes: Buffer, pass) => {
            const message: StreamMessage = { bytes, done: () => giveBack(FRAME_BYTES + bytes.length) };
            pass(message);
          },
        }),
    });
  };
}
