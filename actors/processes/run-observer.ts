import type { Actor } from '../../engine/actor/actor.ts';
import { supervise } from '../../engine/actor/supervisor.ts';
import { realClock } from '../../engine/clock.ts';
import { createLogger } from '../../engine/log.ts';
import { packageVersion } from '../../engine/process/package-info.ts';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';
import { loadDeployment } from '../../plans/domain/deployment/read-deployment.ts';
import { type Subjects, subjectsOf } from '../../plans/protocol/subjects.ts';
import { dashboardActor } from '../dashboard/dashboard.ts';
import { Operator } from '../dashboard/operator.ts';
import type { HttpAddress } from '../http/address.ts';
import { metricsActor } from '../metrics/metrics.ts';
import { connectTo, ROLE_CONNECTS_WITHIN_MS } from './connect.ts';
import { reportReady, runConnected, runUntilShutdown } from './life.ts';
import { serversOf } from './nats-url.ts';
import type { ServeOptions } from './serving-context.ts';

/** The context of a process that only observes a deployment; it needs neither profile nor plan. */
interface Observing {
  readonly deployment: Deployment;
  readonly subjects: Subjects;
  readonly servers: readonly string[];
  /** Called with the address it listens on. */
  readonly onReady: (url: string) => void;
}

/** Serves `/metrics` for Prometheus. */
export function runMetrics(path: string, options: ServeOptions, address: HttpAddress): Promise<void> {
  return runObserver(path, options, 'metrics', ({ deployment, subjects, onReady }) => {
    const { name, devices, slo, load } = deployment;
    const observed = { name, version: packageVersion(), devices: devices.map(({ id }) => id), slo, qpsMax: load.qpsMax };
    return metricsActor({ subjects, observed, address, onReady: (url) => onReady(`${url}/metrics`) });
  });
}

/** Serves the dashboard page. */
export function runDashboard(path: string, options: ServeOptions, address: HttpAddress): Promise<void> {
  return runObserver(path, options, 'dashboard', ({ deployment, servers, subjects, onReady }) => {
    const { name, slo, load } = deployment;
    const about = { deployment: name, slo, qpsMax: load.qpsMax };
    return dashboardActor({ subjects, about, address, operator: new Operator(deployment, servers), onReady });
  });
}

function runObserver(path: string, options: ServeOptions, role: string, actorOf: (observing: Observing) => Actor): Promise<void> {
  const deployment = loadDeployment(path, 'anywhere');
  const log = createLogger(`cascade-${role}`, options.logLevel ?? 'info');
  const servers = serversOf(deployment, options.nats);
  const connecting = { log, connectTimeoutMs: ROLE_CONNECTS_WITHIN_MS };
  return runConnected(connectTo(servers, deployment.nats, `cascade-${deployment.name}-${role}`, connecting), async (bus) => {
    const subjects = subjectsOf(deployment.name, deployment.prefix);
    const onReady = (url: string): void => {
      reportReady();
      log.info({ url }, `${role} is served`);
      if (process.send === undefined) process.stdout.write(`cascade ${deployment.name}: ${role} at ${url}\n`);
    };
    const observer = actorOf({ deployment, subjects, servers, onReady });
    await runUntilShutdown([supervise([observer], { bus, clock: realClock, log })], log);
  });
}
