/** How to send a sample over HTTP and read its answer. */
export interface HttpFormat {
  /** Header lines, each with its line ending. */
  readonly headers: string;
  /** @param image 28 x 28 bytes. */
  body(image: Uint8Array): Uint8Array;
  /** @param answer parsed body of an answer with status 200. */
  answer(answer: unknown): { readonly label: number; readonly model: string };
}

type Answer = ReturnType<HttpFormat['answer']>;

const JSON_HEADERS = 'Content-Type: application/json\r\n';
const base64 = (image: Uint8Array): string => Buffer.from(image).toString('base64');

const OPEN_INFERENCE_HEADER = Buffer.from(
  JSON.stringify({
    inputs: [{ name: 'image', shape: [1, 1, 28, 28], datatype: 'UINT8', parameters: { binary_data_size: 784 } }],
    outputs: [{ name: 'label' }, { name: 'model' }],
  }),
);

export const HTTP_FORMATS = {
  /** Sends the sample's bytes; the answer is `{ label, model }`. */
  bytes: { headers: 'Content-Type: application/octet-stream\r\n', body: (image) => image, answer: (answer) => answer as Answer },
  /** For servers that accept only JSON. */
  base64: {
    headers: JSON_HEADERS,
    body: (image) => Buffer.from(JSON.stringify({ image: base64(image) })),
    answer: (answer) => answer as Answer,
  },
  /** For servers whose clients send batches as lists. */
  'base64-list': {
    headers: JSON_HEADERS,
    body: (image) => Buffer.from(JSON.stringify({ images: [base64(image)] })),
    answer: (answer) => (answer as Answer[])[0],
  },
  /** The Open Inference Protocol with the binary tensor extension. */
  'open-inference': {
    headers: `Content-Type: application/octet-stream\r\nInference-Header-Content-Length: ${OPEN_INFERENCE_HEADER.length}\r\n`,
    body: (image) => Buffer.concat([OPEN_INFERENCE_HEADER, image]),
    answer: openInferenceAnswer,
  },
  /** The same without it. */
  'open-inference-json': {
    headers: JSON_HEADERS,
    body: (image) =>
      Buffer.from(
        JSON.stringify({
          inputs: [{ name: 'image', shape: [1, 1, 28, 28], datatype: 'UINT8', data: [...image] }],
          outputs: [{ name: 'label' }, { name: 'model' }],
        }),
      ),
    answer: openInferenceAnswer,
  },
} as const satisfies Record<string, HttpFormat>;

export type HttpFormatName = keyof typeof HTTP_FORMATS;

function openInferenceAnswer(answer: unknown): Answer {
  const { outputs } = answer as { outputs: readonly { name: string; data: readonly unknown[] }[] };
  const first = (name: string): unknown => outputs.find((output) => output.name === name)?.data[0];
  return { label: Number(first('label')), model: String(first('model')) };
}
