import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { requestStatus } from '../../actors/controller/ask-status.ts';
import type { Status } from '../../actors/controller/status.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import type { Profile } from '../../plans/domain/profile/profile.ts';
import { readProfile } from '../../plans/domain/profile/profile-file.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { cascadeJson } from './cascade.ts';
import type { Traffic } from './traffic.ts';

/** Far below what one device of the two carries, so that each can be lost. */
export const QPS = 100;

/** A deployment `pair` of one emulated device on each of two hosts, planned so that both hold both models. */
export async function writePair(folder: string, nats: string): Promise<Profile> {
  writeFileSync(
    join(folder, 'deployment.yaml'),
    `name: pair
synthetic:
  models:
    - { name: small, accuracy: 0.8, fixed: 1ms, perSample: 0.1ms, memory: 1MB }
    - { name: large, accuracy: 0.9, fixed: 2ms, perSample: 0.5ms, memory: 1MB }
  samples: 1000
  classes: 10
devices:
  - { id: a, kind: emulated, like: any, memory: 10MB, host: h1 }
  - { id: b, kind: emulated, like: any, memory: 10MB, host: h2 }
slo: { p95: 200ms }
deadline: 30s
load: { qpsMax: 3000, ranges: 2 }
nats: ${nats}
`,
  );
  await cascadeJson(['profile', folder, '--out', join(folder, 'profile.json')]);
  const plan = await cascadeJson<{ placement: unknown[] }>(['plan', folder, '--out', join(folder, 'plan.json')]);
  expect(plan.placement).toHaveLength(4);
  return readProfile(join(folder, 'profile.json'));
}

/** The status of the deployment, asked with an operator's credentials; undefined when nobody answers. */
export function statusOf(operator: Bus): Promise<Status | undefined> {
  return requestStatus(operator, subjectsOf('pair')).catch(() => undefined);
}

/** Requests that the process that runs a device now has answered; undefined while the device is not ready. */
export async function answeredBy(operator: Bus, device: string): Promise<number | undefined> {
  const found = (await statusOf(operator))?.devices.find((one) => one.device === device && one.phase === 'ready');
  return found === undefined ? undefined : Object.values(found.answered).reduce((sum, count) => sum + count, 0);
}

/** Each request ended once, with what belongs to it. */
export function expectAllEndedOnce(traffic: Traffic): void {
  expect(traffic.wrong).toEqual([]);
  expect(traffic.ended.size).toBe(traffic.offered);
  expect([...traffic.ended.values()].every((times) => times === 1)).toBe(true);
}
