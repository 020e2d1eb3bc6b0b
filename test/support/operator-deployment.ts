import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';
import { loadDeployment } from '../../plans/domain/deployment/read-deployment.ts';

/** The part of deployment `test` that an operator needs. */
export function operatorDeployment(nats: string): Deployment {
  const folder = mkdtempSync(join(tmpdir(), 'cascade-operator-'));
  try {
    const synthetic = '{ models: [{ name: small, accuracy: 0.8, fixed: 1ms, perSample: 1ms, memory: 1MiB }] }';
    writeFileSync(
      join(folder, 'deployment.yaml'),
      `name: test
synthetic: ${synthetic}
devices: [{ id: d0, kind: emulated, like: any, memory: 1GiB }]
slo: { p95: 100ms }
load: { qpsMax: 100 }
nats: { servers: ["${nats}"] }
`,
    );
    return loadDeployment(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
