import { constants, type ServerHttp2Stream } from 'node:http2';
import { ServerInterceptingCall, type ServerInterceptor, status } from '@grpc/grpc-js';
import type { Logger } from '../../../engine/log.ts';
import { MAX_REQUEST_BYTES } from '../limits.ts';
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

/** Deflate makes at most this many bytes out of one. */
const MAX_EXPANSION = 1_032;

/**
 * Accounts for the bytes of a call as they arrive, until it is over; those of a stream until their message is done. A compressed message
 * counts as much as it can become, because the library decodes it as soon as it is there. Calls that do not fit are refused, and so are
 * compressed streams, which decode any number of messages at once.
 */
export function boundedCalls(memory: RequestMemory, log: Logger): ServerInterceptor {
  return ({ requestStream }, call) => {
    const { stream, incomingEncoding } = call as unknown as Hidden;
    if (incomingEncoding !== 'identity' && requestStream) {
      const details = `compressed streams (grpc-encoding: ${incomingEncoding.slice(0, 40)}) are not accepted; send the messages as they are`;
      call.sendStatus({ code: status.UNIMPLEMENTED, details });
      return new ServerInterceptingCall(call);
    }
    const { take, giveBack } = memory.open();
    const compressed = incomingEncoding === 'identity' ? undefined : new CompressedMessages();
    let isRefused = false;
    // Before the library's own listener, which decodes at once.
    stream.prependListener('data', (chunk: Buffer) => {
      if (!isRefused) {
        try {
          take(chunk.length + (compressed?.decodedBytes(chunk) ?? 0));
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
            // One that does not fit may be whole all the same.
            if (stream.writableEnded) return;
            const message: StreamMessage = { bytes, done: () => giveBack(FRAME_BYTES + bytes.length) };
            pass(message);
          },
        }),
      // Node sends no trailers, and so no status, if something is written after the end.
      sendMessage: (message, pass) => {
        if (!stream.writableEnded) pass(message);
      },
    });
  };
}

/** Finds the compressed messages in the bytes of a call. */
class CompressedMessages {
  /** The part of a frame's head that has arrived. */
  readonly #head: number[] = [];
  #leftBytes = 0;

  /** Most bytes that the compressed messages which begin in this chunk can become. */
  decodedBytes(chunk: Buffer): number {
    let bytes = 0;
    let at = 0;
    while (at < chunk.length) {
      const skipped = Math.min(this.#leftBytes, chunk.length - at);
      this.#leftBytes -= skipped;
      at += skipped;
      while (at < chunk.length && this.#head.length < FRAME_BYTES) this.#head.push(chunk[at++]);
      if (this.#head.length < FRAME_BYTES) continue;
      const [flag, ...length] = this.#head.splice(0);
      this.#leftBytes = Buffer.from(length).readUInt32BE();
      if (flag === 1) bytes += Math.min(MAX_EXPANSION * this.#leftBytes, MAX_REQUEST_BYTES);
    }
    return bytes;
  }
}
