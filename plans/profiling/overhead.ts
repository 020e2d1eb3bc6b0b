import type { BatchOutput } from '../../engine/backend/backend.ts';
import type { Sample, TensorSpec } from '../../engine/tensor/tensor.ts';
import type { Overhead } from '../domain/profile/profile.ts';
import type { Judge } from '../domain/task/judge.ts';
import { decodeWorkFrame, encodeAnswer, encodeWorkFrame } from '../protocol/codec.ts';
import type { WorkItem } from '../protocol/messages.ts';
import { median } from './curve.ts';
import type { Transport } from './transport.ts';

/** Cost of passing a batch to the inference thread and getting its output back, on top of the inference itself. */
export interface Handover {
  readonly perBatchMs: number;
  readonly perRequestMs: number;
}

/**
 * Time to frame one answer as a NATS message and pass it to the connection. It is a constant because planning does not depend on the
 * NATS client, which was measured to publish 100,000 messages a second.
 */
const PUBLISH_MS = 0.01;
const LARGE_BATCH = 64;
const WARM_UP_RUNS = 100;
const RUNS = 51;

/**
 * Costs of a batch in the device process besides inference, on the same cores: reading the work frame, judging each sample, writing
 * each answer, and handing the batch over. Measured at batch sizes 1 and 64: the slope is the cost per request, and the intercept,
 * plus its messages, the cost per batch.
 */
export function calibrateOverhead(
  specs: readonly TensorSpec[],
  sample: Sample,
  classes: number,
  judge: Judge,
  transport: Transport & { readonly handover: Handover },
): Overhead {
  const { handover } = transport;
  const one = serveMs(1);
  const perRequestMs = Math.max(0, (serveMs(LARGE_BATCH) - one) / (LARGE_BATCH - 1));
  return {
    perBatchMs: rounded(Math.max(0, one - perRequestMs) + transport.messageMs + handover.perBatchMs),
    perRequestMs: rounded(perRequestMs + PUBLISH_MS + handover.perRequestMs),
    hopMs: rounded(transport.hopMs),
  };

  function serveMs(batch: number): number {
    const item: WorkItem = {
      seq: 1,
      id: 'calibration-0001',
      reply: '_INBOX.calibration.0001',
      json: false,
      wantScores: false,
      alone: false,
      arrivedAt: 0,
      deadlineAt: 30_000,
      queueMs: 1,
      computeMs: 1,
      opinion: undefined,
      sample,
    };
    const frame = encodeWorkFrame({ origin: 'calibration', items: new Array<WorkItem>(batch).fill(item) }, specs, 0);
    const scores = Float32Array.from({ length: batch * classes }, (_, i) => (i * 7) % 11);
    const output: BatchOutput = { scores, classes, auxiliary: new Float32Array(batch), computeMs: 1 };
    const times: number[] = [];
    for (let run = -WARM_UP_RUNS; run < RUNS; run++) {
      const startedAt = performance.now();
      const { items } = decodeWorkFrame(frame, specs, 0);
      items.forEach(({ id }, i) => {
        const { prediction, certainty } = judge(output, i);
        encodeAnswer(
          {
            id,
            ...prediction,
            certainty,
            model: 'calibration',
            stage: 0,
            exit: 'last',
            gear: 0,
            revision: 1,
            timing: { queueMs: 1, computeMs: 1, totalMs: 2 },
          },
          false,
        );
      });
      if (run >= 0) times.push(performance.now() - startedAt);
    }
    return median(times);
  }
}

/** @param times per batch size: round trips of a batch minus its time on the inference thread. */
export function handoverOf(times: ReadonlyMap<number, readonly number[]>): Handover {
  const sizes = [...times.keys()].sort((a, b) => a - b);
  const [smallest, largest] = [sizes[0], sizes[sizes.length - 1]];
  const oneMs = median(times.get(smallest)!);
  if (smallest === largest) return { perBatchMs: oneMs, perRequestMs: 0 };
  const perRequestMs = Math.max(0, (median(times.get(largest)!) - oneMs) / (largest - smallest));
  return { perBatchMs: Math.max(0, oneMs - smallest * perRequestMs), perRequestMs };
}

function rounded(ms: number): number {
  return Number(ms.toPrecision(4));
}
