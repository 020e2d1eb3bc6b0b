import { expect } from 'vitest';
import type { Status } from '../../actors/controller/status-report.ts';
import { requestStatus } from '../../actors/operator/ask-status.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import type { Report } from '../../plans/report/report.ts';
import { startCascade } from './cascade.ts';
import { eventually } from './eventually.ts';

/** A running deployment and a connection to it. */
export interface Served {
  readonly bus: Bus;
  readonly deployment: string;
  readonly folder: string;
}

const QPS = 100;
/** Longer than needed: the load ends once its purpose is fulfilled. */
const SECONDS = 600;
/** A process starts, loads its models and warms up within a few seconds; on a busy machine, within this. */
export const BACK_WITHIN_MS = 60_000;

/** Polls the status until it is as expected, and retries if there is no answer. */
export function statusThat({ bus, deployment }: Served, expectation: (status: Status) => void): Promise<Status> {
  return eventually(
    async () => {
      const told = await requestStatus(bus, subjectsOf(deployment));
      expectation(told);
      return told;
    },
    { timeout: BACK_WITHIN_MS, interval: 100 },
  );
}

/** Runs a load until `happens` resolves. */
export async function loadWhile(folder: string, qps: number, happens: () => Promise<void>): Promise<Report> {
  const load = startCascade(['load', folder, '--qps', String(qps), '--seconds', String(SECONDS), '--json', '-']);
  try {
    await happens();
  } finally {
    load.process.kill('SIGINT');
  }
  const { code, stdout, stderr } = await load.ended;
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Report;
}

/** Sends a signal to a process under load; the load continues until the deployment is as expected. */
export async function signalUnderLoad(
  served: Served,
  pid: number,
  signal: NodeJS.Signals,
  expectation: (status: Status) => void,
): Promise<Report> {
  // No earlier load may be left, so that the one measured below is ours.
  await statusThat(served, ({ qps }) => expect(qps, 'requests/s before the load').toBe(0));
  return loadWhile(served.folder, QPS, async () => {
    await statusThat(served, ({ qps }) => expect(qps, 'requests/s that the deployment measures').toBeGreaterThan(QPS / 2));
    process.kill(pid, signal);
    await statusThat(served, expectation);
  });
}
