import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'vitest';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { profileAndPlan, startCascade } from './cascade.ts';
import type { Served } from './signal-under-load.ts';

/** A deployment of the example's real models on two devices, each on its own core if the machine has two. */
export function fashionOnTwoDevices(
  name: string,
  nats: string,
  load: { readonly qpsMax: number; readonly ranges: number },
): string {
  const fashion = resolve('conf/fashion');
  const second = availableParallelism() > 1 ? 1 : 0;
  return `name: ${name}
models:
  - { name: linear, file: ${fashion}/models/linear.onnx }
  - { name: cnn-small, file: ${fashion}/models/cnn-small.onnx }
  - { name: cnn-medium, file: ${fashion}/models/cnn-medium.onnx, maxBatch: 16 }
data: { inputs: { image: ${fashion}/data/images.npy }, labels: ${fashion}/data/labels.npy, validation: 0.5 }
devices:
  - { id: a, kind: cpu, cores: [0], memory: 512MiB }
  - { id: b, kind: cpu, cores: [${second}], memory: 512MiB }
slo: { p95: 200ms }
deadline: 30s
load: { qpsMax: ${load.qpsMax}, ranges: ${load.ranges} }
nats: { servers: ["${nats}"] }
`;
}

/** That deployment, served with its own nats-server. */
export interface ServedFashion extends Served {
  /** The line that `serve` printed when it was ready. */
  readonly firstLine: string;
  /** Expects that all processes exit cleanly. */
  close(): Promise<void>;
}

/**
 * @param frontends as in a deployment file.
 * @param args additional arguments for `serve`.
 */
export async function serveFashion(
  name: string,
  frontends: string,
  load: { readonly qpsMax: number; readonly ranges: number },
  args: readonly string[] = [],
): Promise<ServedFashion> {
  const folder = mkdtempSync(join(tmpdir(), `cascade-${name}-`));
  const server = await startNatsServer();
  const bus = await connectNats({ servers: server.url });
  writeFileSync(join(folder, 'deployment.yaml'), `${fashionOnTwoDevices(name, server.url, load)}frontends: ${frontends}\n`);
  await profileAndPlan(folder);
  const serving = startCascade(['serve', folder, '--log-level', 'warn', ...args]);
  return {
    bus,
    deployment: name,
    folder,
    firstLine: await serving.firstLine,
    async close() {
      const { code, stderr } = await serving.stop();
      await bus.close();
      await server.stop();
      rmSync(folder, { recursive: true });
      expect(code, stderr).toBe(0);
    },
  };
}
