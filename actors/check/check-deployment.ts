import { join } from 'node:path';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';
import { readDeployment } from '../../plans/domain/deployment/read-deployment.ts';
import { displayPath } from '../../plans/domain/deployment/shown.ts';
import { counted } from '../../plans/explain/format.ts';
import { warmUpSamples } from '../../plans/profiling/warm-up.ts';
import { serversOf } from '../processes/nats-url.ts';
import { DEFAULT_HOST, type ServeOptions } from '../processes/serving-context.ts';
import { checkMachine } from './check-machine.ts';
import { checkModelsAndData } from './check-models.ts';
import { checkNats } from './check-nats.ts';
import { checkPlan } from './check-plan.ts';
import { checkPorts, type Ports } from './check-ports.ts';
import { type Finding, Findings, type Level, verdictOf } from './finding.ts';

/** Options of `serve`, whose ports are checked too. */
export interface CheckOptions extends ServeOptions, Ports {}

/** JSON output of `cascade check`. */
export interface CheckReport {
  /** Its name; null when the file cannot be read. */
  readonly deployment: string | null;
  readonly verdict: Level;
  readonly findings: readonly Finding[];
}

/** Everything that can be checked before a deployment is served. A problem in one area does not stop the others from being checked. */
export async function checkDeployment(path: string, options: CheckOptions): Promise<CheckReport> {
  const configuration = new Findings('configuration');
  const read = await configuration.attempt(() => readDeployment(path));
  for (const problem of read?.problems ?? []) configuration.problem(problem);
  const deployment = read?.deployment;
  if (deployment === undefined) return reportOf(undefined, configuration.list);
  if (read?.problems.length === 0) {
    const { file, models, devices } = deployment;
    configuration.ok(
      `${displayPath(file)}: ${deployment.name}, ${counted(models.length, 'model')}, ${counted(devices.length, 'device')}`,
    );
  }
  const isWhole = read?.problems.length === 0;
  const { findings, data } = await checkModelsAndData(deployment);
  // If the deployment file has problems, we cannot tell whether a plan fits it.
  const planned = isWhole
    ? await checkPlan(
        deployment,
        options.profile ?? join(deployment.dir, 'profile.json'),
        options.plan ?? join(deployment.dir, 'plan.json'),
      )
    : undefined;
  return reportOf(deployment, [
    ...configuration.list,
    ...findings,
    ...(planned?.findings ?? []),
    ...(await checkMachine(deployment, options.host ?? DEFAULT_HOST)),
    ...(await checkNats(
      deployment,
      serversOf(deployment, options.nats),
      planned?.profile?.warmUp ?? (data && warmUpSamples(Array.from(data.validation, data.sample))),
    )),
    ...(await checkPorts(options)),
  ]);
}

function reportOf(deployment: Deployment | undefined, findings: readonly Finding[]): CheckReport {
  return { deployment: deployment?.name ?? null, verdict: verdictOf(findings), findings };
}
