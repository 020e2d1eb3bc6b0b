import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectCascade } from '../../actors/client/client.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { type Cascade, startCascade } from '../support/cascade.ts';
import { writeEmulatedPair } from '../support/emulated-pair.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { grpcClient } from '../support/grpc-client.ts';

interface Exported {
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
  readonly status: { readonly code?: number; readonly message?: string };
}

/** A collector that keeps what real processes export to it: OTLP over HTTP, as JSON. */
const spans: Exported[] = [];
let collector: Server;
let folder: string;
let nats: NatsServer;
let serving: Cascade;
let gateway: string;
let grpcUrl: string;

/** Long enough to send a batch of spans on a busy machine. */
const PATIENCE = { timeout: 60_000, interval: 100 };

beforeAll(async () => {
  collector = createServer((request, response) => {
    let body = '';
    request.on('data', (data) => {
      body += data;
    });
    request.on('end', () => {
      for (const { resource, scopeSpans } of JSON.parse(body).resourceSpans) {
        const [service] = resource.attributes.filter(({ key }: { key: string }) => key === 'service.name');
        for (const scope of scopeSpans)
          for (const span of scope.spans) spans.push({ ...span, service: service.value.stringValue });
      }
      response.setHeader('Content-Type', 'application/json').end('{}');
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => collector.once('listening', resolve));
  folder = mkdtempSync(join(tmpdir(), 'cascade-tracing-'));
  nats = await startNatsServer();
  await writeEmulatedPair(folder, { name: 'traced', nats: `{ servers: [${nats.url}] }` });
  const port = await freePort();
  gateway = `http://127.0.0.1:${port}`;
  const { port: collectorPort } = collector.address() as AddressInfo;
  const grpcPort = await freePort();
  grpcUrl = `grpc://127.0.0.1:${grpcPort}`;
  serving = startCascade(['serve', folder, '--http', String(port), '--grpc', String(grpcPort), '--log-level', 'warn'], {
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collectorPort}`, OTEL_BSP_SCHEDULE_DELAY: '200' },
  });
  await serving.firstLine;
}, 240_000);

afterAll(async () => {
  const end = await serving?.stop();
  await nats?.stop();
  collector?.close();
  rmSync(folder, { recursive: true });
  expect(end?.code, end?.stderr).toBe(0);
});

/** All spans of a trace, once it has this many with a name. */
function traceWith(traceId: string, name: string, count: number): Promise<Exported[]> {
  return eventually(async () => {
    const found = spans.filter((span) => span.traceId === traceId);
    expect(found.filter((span) => span.name === name).length).toBeGreaterThanOrEqual(count);
    return found;
  }, PATIENCE);
}

function attributesOf({ attributes }: Exported): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

const SAMPLES = 8;

/** Samples as the gateway's model wants them: each is its own number. */
async function samples(count: number) {
  const { inputs } = (await (await fetch(`${gateway}/v2/models/traced`)).json()) as {
    readonly inputs: readonly { readonly name: string; readonly datatype: string; readonly shape: readonly number[] }[];
  };
  return inputs.map(({ name, datatype, shape: [, ...sample] }) => {
    const size = sample.reduce((product, length) => product * Math.max(1, length), 1);
    const shape = [count, ...sample.map((length) => Math.max(1, length))];
    return { name, datatype, shape, data: Array.from({ length: count * size }, (_, i) => Math.floor(i / size)) };
  });
}

test('a request over HTTP: gateway, frontend, and each wait and inference of each sample, in the trace of its client', async () => {
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const answer = await fetch(`${gateway}/v2/models/traced/infer`, {
    method: 'POST',
    headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01` },
    body: JSON.stringify({ inputs: await samples(SAMPLES) }),
  });
  expect(answer.status, await answer.clone().text()).toBe(200);

  const trace = await eventually(async () => {
    const found = await traceWith(traceId, 'cascade.request', SAMPLES);
    const answered = found.filter((span) => attributesOf(span)['cascade.exit'] !== undefined);
    expect(answered).toHaveLength(SAMPLES);
    expect(found.some(({ name }) => name === 'cascade.infer')).toBe(true);
    return found;
  }, PATIENCE);
  const named = (name: string): Exported[] => trace.filter((span) => span.name === name);
  const [infer] = named('cascade.infer');
  expect(infer).toMatchObject({ service: 'cascade-gateway', parentSpanId: 'b7ad6b7169203331' });
  const requests = named('cascade.request');
  expect(requests).toHaveLength(SAMPLES);
  for (const request of requests) expect(request).toMatchObject({ service: 'cascade-frontend', parentSpanId: infer.spanId });
  for (const { spanId } of requests) {
    const parts = trace.filter(({ parentSpanId }) => parentSpanId === spanId);
    const inferences = parts.filter(({ name }) => name === 'cascade.inference');
    expect(parts.filter(({ name }) => name === 'cascade.queue')).toHaveLength(inferences.length);
    // The last inference answers; each earlier one names the next model.
    const exits = inferences.filter((span) => attributesOf(span)['cascade.exit'] !== undefined);
    expect(exits).toHaveLength(1);
    for (const forwarded of inferences.filter((span) => span !== exits[0])) {
      expect(attributesOf(forwarded)).toMatchObject({ 'cascade.model': 'small', 'cascade.next_model': 'large' });
      expect(attributesOf(exits[0])).toMatchObject({ 'cascade.model': 'large', 'cascade.exit': 'last' });
    }
  }
  for (const { startTimeUnixNano, endTimeUnixNano } of trace)
    expect(BigInt(endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(startTimeUnixNano));
});

test('a request over gRPC with traceparent as metadata', async () => {
  const traceId = '1af7651916cd43dd8448eb211c80319d';
  const inputs = (await samples(1)).map(({ data, ...rest }) => ({ ...rest, contents: { int_contents: data } }));
  const grpc = grpcClient(grpcUrl);
  try {
    const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
    await grpc.call('ModelInfer', { model_name: 'traced', inputs }, {}, headers);
  } finally {
    grpc.close();
  }
  const trace = await traceWith(traceId, 'cascade.request', 1);
  const [infer] = await eventually(async () => {
    const found = spans.filter((span) => span.traceId === traceId && span.name === 'cascade.infer');
    expect(found).not.toEqual([]);
    return found;
  }, PATIENCE);
  expect(infer).toMatchObject({ service: 'cascade-gateway', parentSpanId: 'b7ad6b7169203331' });
  expect(trace.find(({ name }) => name === 'cascade.request')).toMatchObject({ parentSpanId: infer.spanId });
});

test('a request over NATS with a traceparent header; a request that was not sampled stays unrecorded', async () => {
  const client = await connectCascade({ servers: nats.url, deployment: 'traced' });
  const [drawn, undrawn] = ['4bf92f3577b34da6a3ce929d0e0e4736', '5bf92f3577b34da6a3ce929d0e0e4737'];
  const inputs = { sample: [0] };
  try {
    await client.infer(inputs, { traceparent: `00-${undrawn}-00f067aa0ba902b7-00` });
    await client.infer(inputs, { traceparent: `00-${drawn}-00f067aa0ba902b7-01` });
  } finally {
    await client.close();
  }
  const trace = await traceWith(drawn, 'cascade.request', 1);
  expect(trace.find(({ name }) => name === 'cascade.request')).toMatchObject({ parentSpanId: '00f067aa0ba902b7' });
  // Sent before the other one through the same frontend, which exports its spans in order.
  expect(spans.filter(({ traceId }) => traceId === undrawn)).toEqual([]);
});
