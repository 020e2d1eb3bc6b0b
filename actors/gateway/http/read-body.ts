import type { IncomingMessage } from 'node:http';
import { createGunzip, createInflate } from 'node:zlib';
import { CascadeError, invalid } from '../../../engine/errors.ts';
import { MAX_REQUEST_BYTES } from '../limits.ts';
import type { Take } from '../request-memory.ts';

const DECODERS: Readonly<Record<string, typeof createGunzip>> = { gzip: createGunzip, deflate: createInflate };
const CHUNK_BYTES = 64 * 1024;
/** How much of a refused body is read, and not kept, for clients that read no answer before they have sent all of it. */
const MAX_DISCARDED_BYTES = 2 * MAX_REQUEST_BYTES;

/** The body is too large, for which HTTP has its own status. */
export class BodyTooLarge extends Error {
  override readonly name = 'BodyTooLarge';

  constructor() {
    super(`the body is larger than ${MAX_REQUEST_BYTES} bytes; send fewer samples in a request`);
  }
}

/**
 * Reads and decodes a body.
 * @param take called before bytes are kept, received and decoded ones.
 * @throws BodyTooLarge; CascadeError INVALID_ARGUMENT for a wrong encoding; whatever `take` throws.
 */
export async function readBody(incoming: IncomingMessage, take: Take): Promise<Uint8Array> {
  if (Number(incoming.headers['content-length'] ?? 0) > MAX_REQUEST_BYTES) {
    discardRest(incoming, 0);
    throw new BodyTooLarge();
  }
  const received = await whole(incoming, bounded(take));
  // Names of encodings are case-insensitive, and some clients send an empty header.
  const encoding = incoming.headers['content-encoding']?.toLowerCase() || 'identity';
  return decoded(received, encoding, bounded(take));
}

function bounded(take: Take): Take {
  let total = 0;
  return (bytes) => {
    total += bytes;
    if (total > MAX_REQUEST_BYTES) throw new BodyTooLarge();
    take(bytes);
  };
}

/**
 * Reads the whole body, with events, because an iterator over the chunks takes several times as long.
 * @param take called before a chunk is kept; if it throws, nothing more is kept, and the connection stays open for the answer.
 */
function whole(incoming: IncomingMessage, take: Take): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let received = 0;
    const onData = (chunk: Buffer): void => {
      received += chunk.length;
      try {
        take(chunk.length);
        chunks.push(chunk);
      } catch (error) {
        incoming.off('data', onData);
        chunks.length = 0;
        discardRest(incoming, received);
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

/** Closes the connection if there is too much. @param received bytes so far. */
function discardRest(incoming: IncomingMessage, received: number): void {
  let total = received;
  incoming.on('data', (chunk: Buffer) => {
    total += chunk.length;
    if (total > MAX_DISCARDED_BYTES) incoming.destroy();
  });
}

/** Chunk by chunk, because a few bytes may become a thousand times as many. */
async function decoded(body: Buffer, encoding: string, take: Take): Promise<Buffer> {
  if (encoding === 'identity') return body;
  if (!Object.hasOwn(DECODERS, encoding)) {
    throw invalid(`header Content-Encoding: ${JSON.stringify(encoding.slice(0, 40))}; use gzip, deflate or none`);
  }
  const decoder = DECODERS[encoding]({ chunkSize: CHUNK_BYTES });
  decoder.end(body);
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of decoder) {
      take(chunk.length);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof BodyTooLarge || error instanceof CascadeError) throw error;
    throw invalid(`the body does not match its header Content-Encoding: ${encoding} (${(error as Error).message})`);
  }
  return Buffer.concat(chunks);
}
