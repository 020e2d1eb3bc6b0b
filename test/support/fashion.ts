import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';

/** A deployment of the example's real models on two devices, each with a core of its own where the machine has two. */
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
load: { qpsMax: ${load.qpsMax}, ranges: ${load.ranges} }
nats: { servers: ["${nats}"] }
`;
}
