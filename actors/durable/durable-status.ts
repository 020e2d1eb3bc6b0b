import type { WorkQueues } from '../../engine/bus/work-queue.ts';
import { type DurableConfig, ingressConsumer } from './durable-streams.ts';

/** How the durable ingress of a deployment is: requests by what has become of them. */
export interface DurableStatus {
  /** Acknowledged by NATS and not answered yet: those that wait and those in flight. */
  readonly stored: number;
  /** Not taken by any frontend yet. */
  readonly waiting: number;
  /** Taken by a frontend, or about to be tried again; and how many of them were tried before. */
  readonly inFlight: number;
  readonly redelivered: number;
  /** Given up, and kept for a person to look at. */
  readonly deadLetters: number;
}

/** The counts are not of one moment. @throws CascadeError when the server cannot be asked, or before the first frontend is up. */
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
