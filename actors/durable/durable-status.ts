import type { WorkQueues } from '../../engine/bus/work-queue.ts';
import { type DurableConfig, ingressConsumer } from './durable-streams.ts';

/** State of a deployment's durable ingress: its numbers of requests. */
export interface DurableStatus {
  /** Acknowledged by NATS and not answered yet, waiting or in flight. */
  readonly stored: number;
  /** Not taken by any frontend yet. */
  readonly waiting: number;
  /** Taken by a frontend, or about to be retried. */
  readonly inFlight: number;
  /** Requests in flight that were tried before. */
  readonly redelivered: number;
  /** Failed for good, and kept for a person to look at. */
  readonly deadLetters: number;
}

/** The counts are not taken at the same instant. @throws CascadeError when the server is unreachable, or before the first frontend is up. */
export async function durableStatus(queues: WorkQueues, durable: DurableConfig): Promise<DurableStatus> {
  const { requests, dead } = durable.streams;
  const [stored, deadLetters, progress] = await Promise.all([
    queues.count(requests),
    queues.count(dead),
    queues.progress(ingressConsumer(durable)),
  ]);
  const { waiting, unsettled: inFlight, redelivered } = progress;
  return { stored, waiting, inFlight, redelivered, deadLetters };
}
