import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';
import { CascadeError, invalid } from '../../../engine/errors.ts';
import { MAX_REQUEST_BYTES } from '../door.ts';

/** Of all requests that are being read or waiting for their answers. */
const MAX_TOTAL_BYTES = 512 * 1024 * 1024;
const RETRY_AFTER_MS = 1_000;

const DECODERS: Readonly<Record<string, typeof gunzip>> = { gzip: gunzip, deflate: inflate };

/** The body is larger than is accepted: HTTP has a status of its own for that. */
export class BodyTooLarge extends Error {
  override readonly name = 'BodyTooLarge';

  constructor() {
    super(`the body is larger than ${MAX_REQUEST_BYTES} bytes; send fewer samples in a request`);
  }
}

/** Memory for bodies, of all requests of a gateway together. */
export class BodyRoom {
  #bytes = 0;

  /**
   * Reads a body, and keeps room for it while `use` has it.
   * @throws BodyTooLarge; CascadeError RESOURCE_EXHAUSTED while others take all the room; INVALID_ARGUMENT for an encoding that is wrong.
   */
  async with<T>(incoming: IncomingMessage, use: (body: Uint8Array) => Promise<T>): Promise<T> {
    if (Number(incoming.headers['content-length'] ?? 0) > MAX_REQUEST_BYTES) throw new BodyTooLarge();
    let taken = 0;
    const take = (bytes: number): void => {
      if (this.#bytes + bytes > MAX_TOTAL_BYTES) {
        throw new CascadeError(
          'RESOURCE_EXHAUSTED',
          'the requests under way take all the memory that there is for them',
          RETRY_AFTER_MS,
        );
      }
      taken += bytes;
      this.#bytes += bytes;
    };
    try {
      const chunks: Buffer[] = [];
      // Destroyed with the loop, it could not be answered any more.
      const parts: AsyncIterable<Buffer> = incoming.iterator({ destroyOnReturn: false });
      for await (const chunk of parts) {
        take(chunk.length);
        if (taken > MAX_REQUEST_BYTES) throw new BodyTooLarge();
        chunks.push(chunk);
      }
      const received = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
      const body = await decoded(received, incoming.headers['content-encoding']);
      if (body !== received) take(body.length);
      return await use(body);
    } finally {
      this.#bytes -= taken;
    }
  }
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
    throw invalid(`the body is not what its header says, Content-Encoding: ${encoding} (${(error as Error).message})`);
  }
}
