import { invalid } from '../errors.ts';
import { type BodyLimits, scanJson } from '../scan-json.ts';

/** Header of the binary tensor extension: how many bytes of the body are JSON. The rest is tensors, one after the other. */
export const JSON_LENGTH_HEADER = 'Inference-Header-Content-Length';

/**
 * Splits an HTTP body of the Open Inference Protocol.
 * @param jsonLength value of the header; undefined: the whole body is JSON.
 * @param limits on the JSON, checked before it is parsed; undefined: the sender is trusted.
 * @throws CascadeError INVALID_ARGUMENT
 */
export function splitBody(
  body: Uint8Array,
  jsonLength: string | undefined,
  limits?: BodyLimits,
): { json: unknown; binary: Uint8Array } {
  const length = jsonLength === undefined ? body.length : lengthOf(jsonLength, body.length);
  const json = body.subarray(0, length);
  if (limits !== undefined) scanJson(json, limits);
  return { json: parseJson(json), binary: body.subarray(length) };
}

function lengthOf(text: string, bodyLength: number): number {
  const length = /^\d{1,15}$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (length > 0 && length <= bodyLength) return length;
  throw invalid(
    `header ${JSON_LENGTH_HEADER}: ${JSON.stringify(text.slice(0, 40))}; give the length of the JSON part, from 1 to the ${bodyLength} bytes of the body`,
  );
}

function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length === 0) throw invalid('the body is empty; send a JSON object with `inputs`');
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString());
  } catch (error) {
    throw invalid(
      `the body is not JSON: ${(error as SyntaxError).message}; if tensors follow the JSON, say how long it is in the header ${JSON_LENGTH_HEADER}`,
    );
  }
}

/** The inverse: joins JSON and tensors into a body; `jsonLength` is the value of the header. */
export function joinBody(json: unknown, tensors: readonly Uint8Array[]): { body: Uint8Array<ArrayBuffer>; jsonLength: number } {
  const text = Buffer.from(JSON.stringify(json));
  // A copy, because small buffers are slices of a larger one.
  return { body: new Uint8Array(Buffer.concat([text, ...tensors])), jsonLength: text.length };
}
