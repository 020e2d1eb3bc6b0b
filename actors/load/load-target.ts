import { realClock } from '../../engine/clock.ts';
import type { LabelledData } from '../../plans/data/labelled-data.ts';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { createClient } from '../client/client.ts';
import { connectTo, inboxPrefixOf } from '../processes/connect.ts';
import type { LiveLoad } from './live-load.ts';

/** Everything a load needs to know about the deployment it runs against. */
export type LoadTarget = Omit<LiveLoad, 'trace' | 'seed' | 'onOutcome' | 'onWarning' | 'signal'>;

/**
 * Connects to a running deployment to load it. Closing the client closes the connection.
 * @param name of the connection, for the server's monitoring.
 */
export async function connectLoad(
  deployment: Deployment,
  data: LabelledData,
  servers: readonly string[],
  name: string,
): Promise<LoadTarget> {
  const { deadlineMs, nats, prefix, slo } = deployment;
  const bus = await connectTo(servers, nats, name);
  const client = createClient(bus, realClock, {
    deployment: deployment.name,
    prefix,
    deadlineMs,
    inboxPrefix: inboxPrefixOf(nats),
  });
  return {
    bus,
    client,
    connection: { servers, nats },
    deadlineMs,
    subjects: subjectsOf(deployment.name, prefix),
    data,
    slo,
  };
}
