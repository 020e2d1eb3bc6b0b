import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { startNatsServer } from '../../../../engine/bus/nats-server.ts';
import { profileAndPlan, startCascade } from '../../../support/cascade.ts';
import { freePort } from '../../../support/free-port.ts';

export interface ServedGateway {
  readonly nats: string;
  /** `127.0.0.1:PORT` */
  readonly http: string;
  readonly grpc: string;
  readonly deployment: string;
  close(): Promise<void>;
}

/** Serves the cheapest model of the example on one core with a gateway, so that the bench measures the path and not inference. */
export async function serveWithGateway(): Promise<ServedGateway> {
  const folder = mkdtempSync(join(tmpdir(), 'cascade-gateway-bench-'));
  const server = await startNatsServer();
  const fashion = resolve('conf/fashion');
  writeFileSync(
    join(folder, 'deployment.yaml'),
    `name: gateway
models: [{ name: linear, file: ${fashion}/models/linear.onnx }]
data: { inputs: { image: ${fashion}/data/images.npy }, labels: ${fashion}/data/labels.npy, validation: 0.2 }
devices: [{ id: a, kind: cpu, cores: [0], memory: 512MiB }]
slo: { p95: 200ms }
load: { qpsMax: 5000, ranges: 2 }
frontends: in-devices
nats: { servers: ["${server.url}"] }
`,
  );
  await profileAndPlan(folder);
  const [http, grpc] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const serving = startCascade(['serve', folder, '--http', http, '--grpc', grpc, '--log-level', 'warn']);
  await serving.firstLine;
  return {
    nats: server.url,
    http,
    grpc,
    deployment: 'gateway',
    async close() {
      await serving.stop();
      await server.stop();
      rmSync(folder, { recursive: true });
    },
  };
}
