import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { loadLabelledData } from '../../plans/data/load-labelled-data.ts';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';
import type { Profile } from '../../plans/domain/profile/profile.ts';
import { startServe } from '../demo/serve-child.ts';
import type { LiveLoad } from '../load/live-load.ts';
import { connectLoad, type LoadTarget } from '../load/load-target.ts';
import { serversOf } from '../processes/nats-url.ts';

export interface Served {
  readonly deployment: Deployment;
  readonly profile: Profile;
  readonly files: { readonly profile: string; readonly plan: string };
  /** The server to use; default: a private one. */
  readonly nats?: string;
  readonly signal?: AbortSignal;
}

export type LiveTarget = LoadTarget & Pick<LiveLoad, 'signal'>;

/** Serves a plan, like `cascade serve`, while `use` runs. */
export async function withServing<T>(served: Served, use: (live: LiveTarget) => Promise<T>): Promise<T> {
  const { deployment, profile, files, nats, signal } = served;
  const server = nats === undefined ? await startNatsServer({ jetstream: true }) : undefined;
  const url = nats ?? server?.url ?? '';
  try {
    const args = ['--profile', files.profile, '--plan', files.plan, '--log-level', 'error'];
    const child = await startServe([deployment.file, ...args], url);
    try {
      const data = loadLabelledData(deployment, profile.inputs);
      const target = await connectLoad(deployment, data, serversOf(deployment, url), 'cascade-calibrate');
      try {
        return await use({ ...target, ...(signal === undefined ? {} : { signal }) });
      } finally {
        await target.client.close();
      }
    } finally {
      await child.stop();
    }
  } finally {
    await server?.stop();
  }
}
