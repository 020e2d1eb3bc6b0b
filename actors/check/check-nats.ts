import { inspectServer, type ServerInspection } from '../../engine/bus/inspect-server.ts';
import { shownServers } from '../../engine/bus/server-urls.ts';
import { CascadeError } from '../../engine/errors.ts';
import type { Sample } from '../../engine/tensor/tensor.ts';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';
import { misfitOf } from '../../plans/domain/deployment/message-size.ts';
import { formatBytes } from '../../plans/domain/deployment/units.ts';
import { servingSubjects } from '../../plans/protocol/serving-subjects.ts';
import { bucketsOf, subjectsOf } from '../../plans/protocol/subjects.ts';
import type { Status } from '../controller/status-report.ts';
import { requestStatus } from '../operator/ask-status.ts';
import { natsOptionsOf } from '../processes/connect.ts';
import { type Finding, Findings } from './finding.ts';

/** Stands for a frontend, whose name is only made up when it starts. */
const SOME_FRONTEND = 'check';

/**
 * Checks the NATS server as the serving processes would find it, with their credentials.
 * @param samples typical and largest (see `warmUpSamples`); empty when their size is unknown.
 */
export async function checkNats(
  deployment: Deployment,
  servers: readonly string[],
  samples: readonly Sample[] | undefined,
): Promise<Finding[]> {
  const nats = new Findings('nats');
  const server = await nats.attempt(() => inspectServer(natsOptionsOf(servers, deployment.nats, 'cascade-check')));
  if (server === undefined) return nats.list;
  const permissions = new Findings('permissions');
  try {
    const where = shownServers(servers);
    const { bus, version, oldVersion, jetStream } = server;
    const size = formatBytes(bus.maxPayloadBytes);
    nats.ok(`nats-server ${version} at ${where}, JetStream ${jetStream.type}, messages up to ${size}`);
    if (oldVersion !== undefined) nats.warn(oldVersion);
    checkJetStream(deployment, jetStream, nats);
    const misfit = samples && misfitOf(samples, bus.maxPayloadBytes, 'the NATS server');
    if (misfit?.typical) nats.problem(misfit.message);
    else if (misfit !== undefined) nats.warn(misfit.message);
    const status = await runningStatus(server, deployment);
    if (status !== undefined) {
      const devices = status.devices.map(({ device, host }) => `${device} on ${host}`).join(', ');
      nats.ok(`${deployment.name} is already being served there: plan revision ${status.revision}, devices ${devices}`);
    }
    await checkPermissions(deployment, server, status !== undefined, permissions);
  } finally {
    await server.bus.close();
  }
  return [...nats.list, ...permissions.list];
}

function checkJetStream({ durable }: Deployment, jetStream: ServerInspection['jetStream'], nats: Findings): void {
  if (jetStream.type === 'on') return;
  const what = `the NATS server has no JetStream for this user (${jetStream.reason})`;
  const todo = 'start it with -js, or enable it for the account';
  if (durable !== undefined) nats.problem(`${what}, which \`durable\` needs; ${todo}`);
  else nats.warn(`${what}: pushed plans are lost when all processes end, and there can be no standby controller; ${todo}`);
}

async function runningStatus({ bus }: ServerInspection, { name, prefix }: Deployment): Promise<Status | undefined> {
  try {
    return await requestStatus(bus, subjectsOf(name, prefix));
  } catch (error) {
    if (error instanceof CascadeError) return undefined;
    throw error;
  }
}

/** @param isServed then nothing is published, because the serving processes would have to drop it. */
async function checkPermissions(
  { name, prefix, devices, models, nats }: Deployment,
  server: ServerInspection,
  isServed: boolean,
  permissions: Findings,
): Promise<void> {
  const { root } = subjectsOf(name, prefix);
  const serving = servingSubjects(root, { device: devices[0].id, model: models[0].name, frontend: SOME_FRONTEND });
  const inbox = `${nats.inboxPrefix ?? '_INBOX'}.${SOME_FRONTEND}`;
  const kept = server.jetStream.type === 'on' ? [`$JS.API.STREAM.INFO.KV_${bucketsOf(name, prefix).plans}`] : [];
  const refused = await server.refused({
    subscribe: [...serving.subscribe, '$SRV.PING', inbox],
    publish: isServed ? [] : [...serving.publish, ...kept],
  });
  if (refused.length > 0)
    permissions.problem(
      `this user may not ${describeRefused(refused)}; grant it in the permissions of the NATS server, or connect as another user: conf/nats/roles.conf has everything that \`cascade serve\` needs`,
    );
  else permissions.ok(`this user may ${isServed ? 'subscribe' : 'publish and subscribe'} as \`cascade serve\` does`);
}

/** `subscribe to a, b, nor publish to c` */
function describeRefused(refused: readonly string[]): string {
  const by = (action: string): string[] =>
    refused.filter((each) => each.startsWith(action)).map((each) => each.slice(action.length + 1));
  return ['subscribe to', 'publish to']
    .flatMap((action) => (by(action).length === 0 ? [] : [`${action} ${by(action).join(', ')}`]))
    .join(', nor ');
}
