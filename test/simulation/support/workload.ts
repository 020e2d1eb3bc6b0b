import type { CascadeClient } from '../../../actors/client/client.ts';
import type { Clock } from '../../../engine/clock.ts';
import { CascadeError } from '../../../engine/errors.ts';
import type { Random } from '../../../engine/random.ts';
import type { Result } from '../../../plans/protocol/messages.ts';
import { sampleOf } from './records.ts';

/** How a request ended at the client library. */
export type Outcome = Result | { readonly code: CascadeError['code']; readonly message: string };

interface WorkloadWatch {
  asked(client: string, request: number, deadlineMs: number): void;
  ended(client: string, request: number, outcome: Outcome): void;
}

export interface WorkloadOptions {
  readonly client: CascadeClient;
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly qps: number;
  /** How long to continue. */
  readonly forMs: number;
  /** The number of the next request, over all clients. */
  readonly next: () => number;
  readonly watch: WorkloadWatch;
}

const DEADLINES_MS = [150, 400, 800, 1_500];
/** The mean interval of bursts, and their size: enough to shift gears. */
const BURST_EVERY_MS = 700;
const BURST_MOST = 30;

/** The id of a request: its client and its number. */
export function idOf(client: string, request: number): string {
  return `${client}/${request}`;
}

/** Single Poisson arrivals, and bursts of many at once, like two programs that use the client library. */
export function runWorkload({ client, name, clock, random, qps, forMs, next, watch }: WorkloadOptions): void {
  const endsAt = clock.now() + forMs;
  const request = () => {
    const number = next();
    const deadlineMs = DEADLINES_MS[random.below(DEADLINES_MS.length)];
    watch.asked(name, number, deadlineMs);
    return { number, id: idOf(name, number), inputs: { x: sampleOf(number) }, deadlineMs };
  };
  const one = (): void => {
    const { number, id, inputs, deadlineMs } = request();
    client.infer(inputs, { id, deadlineMs }).then(
      (result) => watch.ended(name, number, result),
      (error) => watch.ended(name, number, error instanceof CascadeError ? error : { code: 'INTERNAL', message: String(error) }),
    );
  };
  const many = (): void => {
    const requests = Array.from({ length: 1 + random.below(BURST_MOST) }, request);
    client.inferMany(requests.map(({ id, inputs, deadlineMs }) => ({ id, inputs, deadlineMs }))).subscribe((answer) => {
      const { number } = requests.find(({ id }) => id === answer.id) ?? { number: Number.NaN };
      watch.ended(name, number, 'error' in answer ? answer.error : answer);
    });
  };
  const again = (meanMs: number, act: () => void): void => {
    clock.after(random.exponential(meanMs), () => {
      if (clock.now() >= endsAt) return;
      act();
      again(meanMs, act);
    });
  };
  again(1_000 / qps, one);
  again(BURST_EVERY_MS, many);
}
