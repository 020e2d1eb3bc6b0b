import type { ConsumerSpec, WorkQueues } from '../../engine/bus/work-queue.ts';
import { ConfigError } from '../../engine/errors.ts';
import type { DurableSettings } from '../../plans/domain/deployment/deployment.ts';
import { type DurableStreams, durableStreamsOf, type Subjects } from '../../plans/protocol/subjects.ts';

/** Durable ingress of one deployment: its streams and limits. */
export interface DurableConfig {
  readonly subjects: Subjects;
  readonly streams: DurableStreams;
  readonly settings: DurableSettings;
}

/** Long, because the person who looks at dead letters may be on holiday. */
const DEAD_LETTER_AGE_MS = 30 * 24 * 3_600_000;

export function durableConfig(
  deployment: { readonly name: string; readonly prefix: string },
  subjects: Subjects,
  settings: DurableSettings,
): DurableConfig {
  return { subjects, streams: durableStreamsOf(deployment.name, deployment.prefix), settings };
}

/**
 * Creates the streams, or gives existing ones the deployment's limits.
 * @throws ConfigError naming the option, when the NATS server cannot store what the deployment asks for.
 */
export async function declareStreams(queues: WorkQueues, { subjects, streams, settings }: DurableConfig): Promise<void> {
  const { maxRequests: maxMessages, maxBytes, maxAgeMs, keepAnswersMs, storage, replicas } = settings;
  const common = { maxMessages, maxBytes, storage, replicas };
  try {
    await queues.declare({ ...common, name: streams.requests, subjects: [subjects.durable], type: 'queue', maxAgeMs });
    await queues.declare({ ...common, name: streams.dead, subjects: [subjects.dead], type: 'log', maxAgeMs: DEAD_LETTER_AGE_MS });
    if (keepAnswersMs === 0) return;
    const results = [subjects.results, `${subjects.results}.>`];
    await queues.declare({ ...common, name: streams.answers, subjects: results, type: 'log', maxAgeMs: keepAnswersMs });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(`durable: ${error.message}; or remove the option \`durable\` from the deployment`);
  }
}

/** One consumer, shared by all frontends. */
export function ingressConsumer({ streams, settings }: DurableConfig): ConsumerSpec {
  return { store: streams.requests, name: 'ingress', ackWaitMs: settings.ackWaitMs, maxUnsettled: settings.inFlight };
}
