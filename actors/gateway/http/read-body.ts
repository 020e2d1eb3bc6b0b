import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';
import { CascadeError, invalid } from '../../../engine/errors.ts';
import { MAX_REQUEST_BYTES } from '../limits.ts';

/** For all requests that are being read or waiting for their answers. */
const MAX_TOTAL_BYTES = 512 * 1024 * 1024;
const RETRY_AFTER_MS = 1_000;

const DECODERS: Readonly<Record<string, typeof gunzip>> = { gzip: gunzip, deflate: inflate };

/** The body is too large, for which HTTP has its own status. */
export class BodyTooLarge extends Error {
  override readonly name = 'BodyTooLarge';

  constructor() {
    super(`the body is larger than ${MAX_REQUEST_BYTES} bytes; send fewer samples in a request`);
  }
}

/** Bounds the memory for the bodies of all requests of a gateway. */
export class BodyMemory {
  #bytes = 0;

  /**
   * Reads a body, and accounts for its memory until `use` is done with it.
   * @throws BodyTooLarge; CascadeError RESOURCE_EXHAUSTED when other requests use all the memory; INVALID_ARGUMENT for a wrong encoding.
   */
  async with<T>(incoming: IncomingMessage, use: (body: Uint8Array) => Promise<T>): Promise<T> {
    if (Number(incoming.headers['content-length'] ?? 0) > MAX_REQUEST_BYTES) throw new BodyTooLarge();
    let taken = 0;
    const take = (bytes: number): void => {
      if (this.#bytes + bytes > MAX_TOTAL_BYTES) {
        throw new CascadeError(
          'RESOURCE_EXHAUSTED',
          'the requests in progress use all the memory reserved for them',
          RETRY_AFTER_MS,
        );
      }
      taken += bytes;
      this.#bytes += bytes;
    };
    try {
      const received = await whole(incoming, (bytes) => {
        take(bytes);
        if (taken > MAX_REQUEST_BYTES) throw new BodyTooLarge();
      });
      const body = await decoded(received, incoming.headers['content-encoding']);
      if (body !== received) take(body.length);
      return await use(body);
    } finally {
      this.#bytes -= taken;
    }
  }
}

/**
 * Reads the whole body, with events, because an iterator over the chunks takes several times as long.
 * @param take called before a chunk is kept; if it throws, reading stops, and the connection stays open for the answer.
 */
function whole(incoming: IncomingMessage, take: (bytes: number) => void): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const onData = (chunk: Buffer): void => {
      try {
        take(chunk.length);
        chunks.push(chunk);
      } catch (error) {
        incoming.off('data', onData);
        incoming.pause();
        reject(error);
      }
    };
    incoming.on('data', onData);
    incoming.once('end', () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
    const onGone = (): void => {
      if (!incoming.complete) reject(new CascadeError('UNAVAILABLE', 'the client disconnected while sending its request'));
    };
    incoming.once('error', onGone);
    incoming.once('close', onGone);
  });
}

async function decoded(body: Buffer, encoding = 'identity'): Promise<Buffer> {
  if (encoding === 'identity') return body;
  if (!Object.hasOwn(DECODERS, encoding)) {
    throw invalid(`header Content-Encoding: ${JSON.stringify(encoding.slice(0, 40))}; use gzip, deflate or none`);
  }
  try {
    return await promisify<Buffer, { maxOutputLength: number }, Buffer>(DECODERS[encoding])(body, {
      maxOutputLength: MAX_REQUEST_BYTES,
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw new BodyTooLarge();
    throw invalid(`the body does not match its header Content-Encoding: ${encoding} (${(error as Error).message})`);
  }
}
