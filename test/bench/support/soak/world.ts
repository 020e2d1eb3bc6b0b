import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CascadeClient, connectCascade } from '../../../../actors/client/client.ts';
import type { Status } from '../../../../actors/controller/status-report.ts';
import { requestStatus } from '../../../../actors/operator/ask-status.ts';
import { pushPlan } from '../../../../actors/operator/push-plan.ts';
import { connectNats } from '../../../../engine/bus/nats-bus.ts';
import { startNatsServer } from '../../../../engine/bus/nats-server.ts';
import { loadDeployment } from '../../../../plans/domain/deployment/read-deployment.ts';
import { readPlan } from '../../../../plans/domain/gear-plan/plan-file.ts';
import type { Profile } from '../../../../plans/domain/profile/profile.ts';
import { subjectsOf } from '../../../../plans/protocol/subjects.ts';
import { startCascade } from '../../../support/cascade.ts';
import { planWithSmallerB, writeEmulatedPair } from '../../../support/emulated-pair.ts';
import { descendants } from '../../../support/processes.ts';

/** Processes that are killed now and then. One of two frontends and one of two devices live from start to end. */
const VICTIMS = ['device', 'frontend', 'controller'] as const;
const SIGNALS = ['SIGTERM', 'SIGKILL'] as const;

export interface SoakWorld {
  readonly client: CascadeClient;
  readonly profile: Profile;
  readonly natsPid: number;
  /** Folder of the memory samples that the processes write. */
  readonly samples: string;
  status(): Promise<Status>;
  /** Ends a process with a signal, cycling through the kinds. @returns what it did. */
  restartOne(): string;
  /** Pushes the plan that is not in force. @returns the reason if it was refused. */
  pushOther(): Promise<string | undefined>;
  close(): Promise<void>;
}

/**
 * A deployment on two hosts, with a standby controller, whose processes sample their memory.
 * @param slower factor on the time of batches: less load for the machine, the same for the devices.
 */
export async function startSoakWorld(intervalMs: number, slower: number): Promise<SoakWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'cascade-soak-'));
  const samples = join(folder, 'samples');
  mkdirSync(samples);
  const server = await startNatsServer({ jetstream: true });
  const nats = `{ servers: [${server.url}] }`;
  const profile = await writeEmulatedPair(folder, { name: 'soak', nats, hosts: ['local', 'other'], frontends: 2, slower });
  const plans = [readPlan(join(folder, 'plan.json')), await planWithSmallerB(folder)];
  const probe = new URL('probe.mjs', import.meta.url);
  const env = { NODE_OPTIONS: `--import ${probe}`, SOAK_SAMPLES: samples, SOAK_INTERVAL_MS: String(intervalMs) };
  const serve = (...role: string[]) => startCascade(['serve', folder, ...role, '--log-level', 'error'], { env });
  const [main, other, standby] = [serve(), serve('--role', 'host', '--host', 'other'), serve('--role', 'controller')];
  await Promise.all([main.firstLine, other.firstLine]);
  const deployment = loadDeployment(folder);
  const bus = await connectNats({ servers: server.url });
  const client = await connectCascade({ servers: server.url, deployment: deployment.name });
  const pidsOf = (role: string): number[] =>
    [main, other]
      .flatMap(({ process }) => descendants(process.pid!))
      .filter(({ command }) => command.includes(`--role ${role}`))
      .map(({ pid }) => pid);
  // Never killed.
  const longLived = ['device', 'frontend'].map((role) => pidsOf(role)[0]);
  let [restarts, pushes] = [0, 0];
  return {
    client,
    profile,
    natsPid: server.pid,
    samples,
    status: () => requestStatus(bus, subjectsOf(deployment.name)),
    restartOne() {
      const role = VICTIMS[restarts % VICTIMS.length];
      const signal = SIGNALS[Math.floor(restarts / VICTIMS.length) % SIGNALS.length];
      const pid = pidsOf(role).find((each) => !longLived.includes(each));
      restarts++;
      if (pid === undefined) return `no ${role} to end`;
      process.kill(pid, signal);
      return `${signal} to a ${role}`;
    },
    async pushOther() {
      pushes++;
      const verdict = await pushPlan(bus, deployment, plans[pushes % plans.length]);
      return verdict.accepted ? undefined : verdict.reason;
    },
    async close() {
      await client.close();
      await bus.close();
      await Promise.all([main, other, standby].map((each) => each.stop()));
      await server.stop();
      rmSync(folder, { recursive: true });
    },
  };
}
