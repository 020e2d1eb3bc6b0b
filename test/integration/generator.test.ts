import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { failureOf } from '../../actors/client/answers.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { entry } from '../../engine/source.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { HTTP_FORMATS, type HttpFormatName } from '../bench/support/generator/http-formats.ts';
import type { GeneratorConfig } from '../bench/support/generator/main.ts';
import type { GeneratorReport } from '../bench/support/generator/tally.ts';
import { resultFor, stubFrontend } from '../support/stub-frontend.ts';

/** The benches' load generator shares no code with the project; its reports are checked here against servers that know the truth. */

const main = fileURLToPath(new URL('../bench/support/generator/main.ts', import.meta.url));
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function generate(to: Pick<GeneratorConfig, 'url' | 'subject'>): Promise<GeneratorReport> {
  const config: GeneratorConfig = {
    ...to,
    images: 'conf/fashion/data/images.npy',
    labels: 'conf/fashion/data/labels.npy',
    samples: [5_000, 5_100],
    steps: [[1, 300]],
    seed: 3,
    sloMs: 60_000,
    withinMs: 60_000,
    deadlineMs: 60_000,
  };
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...entry('actors/main').execArgv,
    main,
    JSON.stringify(config),
  ]);
  return JSON.parse(stdout) as GeneratorReport;
}

test('reports the outcomes of requests over NATS: right, wrong, refused, answered twice', async () => {
  const server = await startNatsServer();
  cleanups.push(() => server.stop());
  const bus = await connectNats({ servers: server.url });
  cleanups.push(() => bus.close());
  const seen = { bytes: 0, tens: 0, refused: 0 };
  const { requests } = await stubFrontend(bus, (request) => {
    const image = request.inputs.image as Uint8Array;
    seen.bytes += image.length;
    const n = requests.length;
    if (n % 10 === 0) {
      seen.refused++;
      request.answer(failureOf('x', 'RESOURCE_EXHAUSTED', 'overloaded'));
    } else {
      request.answer(resultFor('x', 3));
      if (n % 10 === 5) {
        seen.tens++;
        request.answer(resultFor('x', 3));
      }
    }
  });
  const report = await generate({ url: server.url, subject: subjectsOf('test').infer });
  expect(requests.length).toBeGreaterThan(200);
  expect(seen.bytes).toBe(784 * requests.length);
  expect(report).toMatchObject({
    offered: requests.length,
    answered: requests.length - seen.refused,
    errors: seen.refused,
    lost: 0,
    duplicates: seen.tens,
    errorsByCode: { RESOURCE_EXHAUSTED: seen.refused },
    gearChanges: 0,
    answersByModel: { linear: { answered: requests.length - seen.refused } },
  });
  // Each class has a tenth of the images.
  expect(report.accuracy).toBeGreaterThan(0);
  expect(report.accuracy).toBeLessThan(0.4);
  expect(report.windows.reduce((sum, { offered }) => sum + offered, 0)).toBe(report.offered);
});

test('sends an image in the format of each server, and reads its answer', () => {
  const image = Uint8Array.from({ length: 784 }, (_, i) => i % 251);
  const text = (name: HttpFormatName): string => Buffer.from(HTTP_FORMATS[name].body(image)).toString('latin1');
  const decoded = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, 'base64'));
  expect(HTTP_FORMATS.bytes.body(image)).toEqual(image);
  expect(decoded((JSON.parse(text('base64')) as { image: string }).image)).toEqual(image);
  expect(decoded((JSON.parse(text('base64-list')) as { images: string[] }).images[0])).toEqual(image);

  const headerBytes = Number(/Inference-Header-Content-Length: (\d+)/.exec(HTTP_FORMATS['open-inference'].headers)?.[1]);
  expect(JSON.parse(text('open-inference').slice(0, headerBytes))).toMatchObject({
    inputs: [{ name: 'image', shape: [1, 1, 28, 28], datatype: 'UINT8', parameters: { binary_data_size: 784 } }],
  });
  expect(HTTP_FORMATS['open-inference'].body(image).subarray(headerBytes)).toEqual(Buffer.from(image));

  const answer = { label: 3, model: 'resnet' };
  const tensors = [
    { name: 'model', data: ['resnet'] },
    { name: 'label', data: [3] },
  ];
  expect(HTTP_FORMATS.bytes.answer(answer)).toEqual(answer);
  expect(HTTP_FORMATS['base64-list'].answer([answer])).toEqual(answer);
  expect(HTTP_FORMATS['open-inference'].answer({ outputs: tensors })).toEqual(answer);
});

test('reports the outcomes of requests over HTTP', async () => {
  let asked = 0;
  const server = createServer((request, response) => {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.on('end', () => {
      asked++;
      if (bytes !== 784 || asked % 4 === 0) response.writeHead(503, { 'Content-Length': 0 }).end();
      else response.end(JSON.stringify({ label: 3, certainty: 1, model: 'mlp' }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const report = await generate({ url: `http://127.0.0.1:${port}/` });
  const refused = Math.floor(asked / 4);
  expect(asked).toBeGreaterThan(200);
  expect(report).toMatchObject({
    offered: asked,
    answered: asked - refused,
    errors: refused,
    errorsByCode: { 'HTTP 503': refused },
    lost: 0,
    duplicates: 0,
  });
});
