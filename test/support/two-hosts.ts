import { join } from 'node:path';
import { expect } from 'vitest';
import type { Status } from '../../actors/controller/status-report.ts';
import { requestStatus } from '../../actors/operator/ask-status.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { readPlan } from '../../plans/domain/gear-plan/plan-file.ts';
import type { Profile } from '../../plans/domain/profile/profile.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { writeEmulatedPair } from './emulated-pair.ts';
import type { Traffic } from './traffic.ts';

/** Far below the capacity of one of the two devices, so that either can be lost. */
export const QPS = 100;

/** Writes a deployment `pair` with one emulated device on each of two hosts, planned so that both hold both models. */
export async function writePair(folder: string, nats: string): Promise<Profile> {
  const profile = await writeEmulatedPair(folder, { name: 'pair', nats, hosts: ['h1', 'h2'] });
  expect(readPlan(join(folder, 'plan.json')).placement).toHaveLength(4);
  return profile;
}

/** The status of the deployment, requested with an operator's credentials; undefined if nobody answers. */
export function statusOf(operator: Bus): Promise<Status | undefined> {
  return requestStatus(operator, subjectsOf('pair')).catch(() => undefined);
}

/** Number of requests answered by the process that currently runs a device; undefined while the device is not ready. */
export async function answeredBy(operator: Bus, device: string): Promise<number | undefined> {
  const found = (await statusOf(operator))?.devices.find((one) => one.device === device && one.phase === 'ready');
  return found === undefined ? undefined : Object.values(found.answered).reduce((sum, count) => sum + count, 0);
}

/** Each request ended exactly once, with its own result. */
export function expectAllEndedOnce(traffic: Traffic): void {
  expect(traffic.wrong).toEqual([]);
  expect(traffic.ended.size).toBe(traffic.offered);
  expect([...traffic.ended.values()].every((times) => times === 1)).toBe(true);
}
