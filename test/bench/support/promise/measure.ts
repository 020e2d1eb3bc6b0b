import type { GeneratorReport } from '../generator/tally.ts';
import type { Contender, Running } from './contender.ts';
import { generate, type Load, SLO_MS } from './generate.ts';
import type { Memory } from './memory.ts';

export interface Measured extends GeneratorReport, Memory {
  readonly name: string;
  readonly qps: number;
  readonly expectedAccuracy: number | null;
  readonly gearChangesPerMinute: number;
  /** True if the generator itself was late, so that the figures cannot be trusted. */
  readonly void: boolean;
}

const LAG_LIMIT_MS = Math.max(2, SLO_MS / 100);

/** Starts a contender, runs a load, and stops it. */
export async function measure(
  contender: Contender,
  load: Load,
  withRunning: (running: Running) => Promise<void> = async () => undefined,
): Promise<Measured> {
  const running = await contender.start();
  try {
    await withRunning(running);
    const report = await generate(running.endpoint, load);
    const memory = running.memory();
    return {
      name: contender.name,
      qps: load.steps[load.steps.length - 1][1],
      ...report,
      ...memory,
      expectedAccuracy: contender.expectedAccuracy(report.answersByGear),
      gearChangesPerMinute: (60 * report.gearChanges) / report.seconds,
      void: (report.senderLagMs.p99 ?? 0) > LAG_LIMIT_MS,
    };
  } finally {
    await running.stop();
  }
}

/** A load of `seconds` measured seconds, after a warm-up at the same load. */
export function steady(qps: number, seconds: number, seed: number): Load {
  const WARM_UP_SECONDS = 4;
  return { steps: [[WARM_UP_SECONDS + seconds, qps]], skipSeconds: WARM_UP_SECONDS, seed };
}
