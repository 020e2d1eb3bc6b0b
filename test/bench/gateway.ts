/**
 * Bench of the gateway: requests/s and p50 of one sample by HTTP (bytes and JSON, keep-alive) and by gRPC, beside the same by plain
 * NATS requests of the same process, in turn. The ratio to NATS of each round is what is reported: absolute figures are of this
 * machine, on which client, server, gateway and device share the cores.
 *
 * Usage: npm run bench:gateway [-- rounds]
 */
import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'nats';
import { joinBody } from '../../engine/oip/body.ts';
import { encode } from '../../plans/protocol/codec.ts';
import { grpcClient } from '../support/grpc-client.ts';
import { median, writeResult } from './machine.ts';
import { serveWithGateway } from './support/gateway/serve.ts';

const ROUNDS = Number(process.argv[2] ?? 5);
const ROUND_MS = 1_500;
const CONCURRENCIES = [64, 1];
const image = new Uint8Array(784);
const tensor = { name: 'image', datatype: 'UINT8', shape: [1, 1, 28, 28] };
const outputs = [{ name: 'label' }];

const served = await serveWithGateway();
const nats = await connect({ servers: served.nats });
const grpc = grpcClient(`grpc://${served.grpc}`);
const agent = new Agent({ keepAlive: true });

function post(body: Uint8Array, headers: Record<string, string>): Promise<void> {
  return new Promise((resolve, reject) => {
    const path = `http://${served.http}/v2/models/gateway/infer`;
    const sent = httpRequest(
      path,
      { method: 'POST', agent, headers: { ...headers, 'Content-Length': body.length } },
      (response) => {
        response.resume();
        response.on('end', () => (response.statusCode === 200 ? resolve() : reject(new Error(`HTTP ${response.statusCode}`))));
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

const binary = joinBody({ inputs: [{ ...tensor, parameters: { binary_data_size: image.length } }], outputs }, [image]);
const json = Buffer.from(JSON.stringify({ inputs: [{ ...tensor, data: [...image] }], outputs }));
const message = encode({ inputs: { image } });
const grpcMessage = { model_name: 'gateway', inputs: [tensor], outputs, raw_input_contents: [image] };

const WAYS: Readonly<Record<string, () => Promise<unknown>>> = {
  nats: async () => {
    const { headers } = await nats.request('cascade.gateway.infer', message, { timeout: 10_000 });
    if (headers?.has('Nats-Service-Error')) throw new Error(headers.get('Nats-Service-Error'));
  },
  'http, bytes': () => post(binary.body, { 'Inference-Header-Content-Length': String(binary.jsonLength) }),
  'http, JSON': () => post(json, { 'Content-Type': 'application/json' }),
  'grpc, bytes': () => grpc.call('ModelInfer', grpcMessage),
};

/** Closed loop: so many callers, each with one request in flight. */
async function measure(ask: () => Promise<unknown>, concurrency: number): Promise<{ qps: number; p50Ms: number }> {
  const latencies: number[] = [];
  const begin = performance.now();
  const caller = async (): Promise<void> => {
    for (let sentAt = begin; sentAt < begin + ROUND_MS; ) {
      sentAt = performance.now();
      await ask();
      latencies.push(performance.now() - sentAt);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  return { qps: (1_000 * latencies.length) / (performance.now() - begin), p50Ms: median(latencies) };
}

const rows = [];
try {
  for (const concurrency of CONCURRENCIES) {
    const runs = Object.keys(WAYS).map((way) => ({ way, qps: [] as number[], p50Ms: [] as number[] }));
    // The first round warms up.
    for (let round = 0; round <= ROUNDS; round++) {
      for (const run of runs) {
        const { qps, p50Ms } = await measure(WAYS[run.way], concurrency);
        if (round === 0) continue;
        run.qps.push(qps);
        run.p50Ms.push(p50Ms);
      }
    }
    const [plain] = runs;
    for (const { way, qps, p50Ms } of runs) {
      rows.push({
        concurrency,
        way,
        qps: Math.round(median(qps)),
        p50Ms: Number(median(p50Ms).toFixed(2)),
        ofNats: Number(median(qps.map((value, i) => value / plain.qps[i])).toFixed(2)),
      });
    }
  }
} finally {
  agent.destroy();
  grpc.close();
  await nats.close();
  await served.close();
}
console.table(rows);
console.log(`written to ${writeResult('gateway', { rounds: ROUNDS, rows })}`);
