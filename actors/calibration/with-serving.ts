import { createClient } from '../../engine/client/client.ts';
import { realClock } from '../../engine/clock.ts';
import { startNatsServer } from '../../engine/nats-server.ts';
import { subjectsOf } from '../../engine/wire/subjects.ts';
import { loadLabelledData } from '../../plans/data/labelled-data.ts';
import type { Deployment } from '../../plans/deployment.ts';
import type { Profile } from '../../plans/profile.ts';
import { startServe } from '../demo/serve-child.ts';
import type { LiveLoad } from '../load/live-load.ts';
import { connectTo, inboxPrefixOf } from '../processes/connect.ts';
import { serversOf } from '../processes/setting.ts';

export interface Served {
  readonly deployment: Deployment;
  readonly profile: Profile;
  readonly files: { readonly profile: string; readonly plan: string };
  /** A server to use; default: a private one. */
  readonly nats?: string;
  readonly signal?: AbortSignal;
}

/** All that a load needs to know of what serves it. */
export type LiveTarget = Omit<LiveLoad, 'trace' | 'seed' | 'onOutcome'>;

/** Serves a plan, as `cascade serve` does, for as long as `use` takes. */
export async function withServing<T>(served: Served, use: (live: LiveTarget) => Promise<T>): Promise<T> {
  const { deployment, profile, files, nats, signal } = served;
  const server = nats === undefined ? await startNatsServer({ jetstream: true }) : undefined;
  const url = nats ?? server?.url ?? '';
  try {
    const args = ['--profile', files.profile, '--plan', files.plan, '--nats', url, '--log-level', 'error'];
    const child = await startServe([deployment.file, ...args]);
    try {
      const servers = serversOf(deployment, url);
      const bus = await connectTo(servers, deployment.nats, 'cascade-calibrate');
      const client = createClient(bus, realClock, {
        deployment: deployment.name,
        prefix: deployment.prefix,
        deadlineMs: deployment.deadlineMs,
        inboxPrefix: inboxPrefixOf(deployment.nats),
      });
      try {
        return await use({
          bus,
          client,
          connection: { servers, nats: deployment.nats },
          deadlineMs: deployment.deadlineMs,
          subjects: subjectsOf(deployment.name, deployment.prefix),
          data: loadLabelledData(deployment, profile.inputs),
          slo: deployment.slo,
          ...(signal === undefined ? {} : { signal }),
        });
      } finally {
        await client.close();
      }
    } finally {
      await child.stop();
    }
  } finally {
    await server?.stop();
  }
}
