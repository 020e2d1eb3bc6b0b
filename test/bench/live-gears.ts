import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import type { GearRule } from '../../plans/policy/gear-choice.ts';
import type { Report } from '../../plans/report/report.ts';
import { formatTrace, type Trace } from '../../plans/traces/trace.ts';
import { cascadeJson, startCascade } from '../support/cascade.ts';

const FAMILY = 'conf/synthetic/llama-like/deployment.yaml';

export type LiveGears = Pick<Report, 'sloAttainment' | 'accuracy' | 'latencyMs' | 'errors' | 'lost' | 'rejected'> & {
  readonly shiftsPerMinute: number | null;
};

/** Serves the llama-like family on emulated devices with a gear rule, and replays a trace. */
export async function liveGears(rule: GearRule, trace: Trace): Promise<LiveGears> {
  const folder = mkdtempSync(join(tmpdir(), 'cascade-gears-'));
  const server = await startNatsServer();
  try {
    const options = {
      alpha: rule.alpha,
      backlogDrain: rule.backlogDrainMs === Number.POSITIVE_INFINITY ? 'never' : rule.backlogDrainMs,
      loadWindow: rule.windowMs,
      noiseBand: rule.noiseBand,
      settle: rule.settleMs === 0 ? 'none' : rule.settleMs,
      measuredSpeed: rule.measuredSpeed,
    };
    const lines = Object.entries(options).map(([option, value]) => `${option}: ${value}\n`);
    writeFileSync(join(folder, 'deployment.yaml'), readFileSync(FAMILY, 'utf8') + lines.join(''));
    writeFileSync(join(folder, 'trace.csv'), formatTrace(trace));
    await cascadeJson(['profile', folder]);
    await cascadeJson(['plan', folder]);
    const serving = startCascade(['serve', folder, '--nats', server.url, '--log-level', 'warn']);
    await serving.firstLine;
    const report = await cascadeJson<Report>(['load', folder, '--trace', join(folder, 'trace.csv'), '--nats', server.url]);
    await serving.stop();
    const { sloAttainment, accuracy, latencyMs, errors, lost, rejected, gearSwitches, seconds } = report;
    const shiftsPerMinute = gearSwitches === null ? null : (gearSwitches * 60) / seconds;
    return { sloAttainment, accuracy, shiftsPerMinute, latencyMs, errors, lost, rejected };
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true });
  }
}
