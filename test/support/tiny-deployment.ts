import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deviceClass } from '../../plans/domain/deployment/deployment.ts';
import { loadDeployment } from '../../plans/domain/deployment/read-deployment.ts';
import { profileDigest } from '../../plans/domain/profile/profile-digest.ts';
import { writeProfile } from '../../plans/domain/profile/profile-file.ts';
import { syntheticProfile } from '../../plans/synthetic/synthetic.ts';
import { onnxModel } from '../fixtures/onnx-writer.ts';

/** Writes a deployment of two models that do nothing, with a synthetic profile. */
export function writeTiny(
  folder: string,
  { devices, load }: { readonly devices: readonly string[]; readonly load: string },
): void {
  for (const name of ['small', 'large'])
    writeFileSync(join(folder, `${name}.onnx`), onnxModel({ inputs: [], outputs: [], weights: [], nodes: [] }));
  writeFileSync(
    join(folder, 'deployment.yaml'),
    `name: tiny
models: [ { name: small, file: small.onnx }, { name: large, file: large.onnx, maxBatch: 16 } ]
devices: [ ${devices.map((id) => `{ id: ${id}, kind: cpu, memory: 1GiB }`).join(', ')} ]
slo: { p95: 100ms }
load: ${load}
`,
  );
  const deployment = loadDeployment(folder);
  const profile = syntheticProfile({
    seed: 1,
    samples: 500,
    deviceClasses: Object.fromEntries(deployment.devices.map((device) => [deviceClass(device), 1])),
    models: [
      { name: 'small', accuracy: 0.8, fixedMs: 0.1, perSampleMs: 0.05, memoryBytes: 1e6 },
      { name: 'large', accuracy: 0.9, fixedMs: 1, perSampleMs: 1, memoryBytes: 1e7 },
    ],
  });
  writeProfile(join(folder, 'profile.json'), { ...profile, deployment: 'tiny', digest: profileDigest(deployment) });
}
