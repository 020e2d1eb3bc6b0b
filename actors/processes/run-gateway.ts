import { randomBytes } from 'node:crypto';
import { supervise } from '../../engine/actor/supervisor.ts';
import { realClock } from '../../engine/clock.ts';
import type { Profile } from '../../plans/domain/profile/profile.ts';
import { zeros } from '../../plans/profiling/warm-up.ts';
import { createClient } from '../client/client.ts';
import type { Inputs } from '../client/request-body.ts';
import { gatewayActor } from '../gateway/gateway.ts';
import { outputsOf } from '../gateway/outputs.ts';
import { ServedModel } from '../gateway/served-model.ts';
import type { HttpAddress } from '../http/address.ts';
import { askableOutputs } from './askable-outputs.ts';
import { inboxPrefixOf } from './connect.ts';
import { reportReady, runConnected, runUntilShutdown } from './life.ts';
import { connectServing, type ServingContext } from './serving-context.ts';
import { traced } from './traced.ts';

export interface GatewayAddresses {
  readonly http: HttpAddress | undefined;
  readonly grpc: HttpAddress | undefined;
}

/** One gateway process. */
export function runGateway(serving: ServingContext, { http, grpc }: GatewayAddresses): Promise<void> {
  const { deployment, profile, subjects, log } = serving;
  return traced('gateway', log, (tracing) =>
    runConnected(connectServing(serving, 'gateway'), async (bus) => {
      const name = `gateway-${randomBytes(6).toString('base64url')}`;
      const client = createClient(bus, realClock, {
        deployment: deployment.name,
        prefix: deployment.prefix,
        deadlineMs: deployment.deadlineMs,
        inboxPrefix: inboxPrefixOf(deployment.nats),
        name,
      });
      const gateway = gatewayActor({
        name,
        subjects,
        client,
        model: servedModel(serving),
        warmUp: warmUpInputs(profile),
        http,
        grpc,
        tracing,
        onListening: (urls) => log.info({ urls }, 'listening; waiting for the deployment to answer'),
        onReady: (urls) => {
          reportReady();
          if (process.send === undefined)
            process.stdout.write(`cascade ${deployment.name}: the gateway is ready: ${urls.join(', ')}\n`);
        },
      });
      await runUntilShutdown([supervise([gateway], { bus, clock: realClock, log })], log);
    }),
  );
}

function servedModel({ deployment, profile }: ServingContext): ServedModel {
  const named = deployment.classes !== undefined || profile.classNames !== undefined;
  const outputs = outputsOf({ task: deployment.task, classes: profile.classes, named }, askableOutputs({ deployment, profile }));
  return new ServedModel(deployment.name, profile.inputs, outputs);
}

/** A made-up family has no samples, so this uses zeros of the smallest shape. */
function warmUpInputs({ inputs, warmUp }: Profile): Inputs[] {
  const shortest = inputs.map(({ dtype, shape: axes }) => {
    const shape = axes.map((length) => length ?? 1);
    return { shape, data: zeros(dtype, shape) };
  });
  const samples = warmUp.length > 0 ? warmUp : [shortest];
  return samples.map((sample) => Object.fromEntries(inputs.map(({ name }, i) => [name, sample[i]])));
}
