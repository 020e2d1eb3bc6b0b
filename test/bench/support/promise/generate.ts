import { fileURLToPath } from 'node:url';
import { startCommand } from '../../../support/cascade.ts';
import type { GeneratorConfig } from '../generator/main.ts';
import type { Step } from '../generator/schedule.ts';
import type { GeneratorReport } from '../generator/tally.ts';

/** Where the requests go. */
export type Endpoint = Pick<GeneratorConfig, 'url' | 'subject' | 'format'>;

export interface Load {
  readonly steps: readonly Step[];
  /** Seconds of warm-up at the start, which count only in the windows. */
  readonly skipSeconds: number;
  readonly seed: number;
  /** Actions at given times of the run. */
  readonly events?: readonly { readonly atSecond: number; readonly act: () => void }[];
}

export const SLO_MS = 100;
const GIVE_UP_MS = 2_000;
const main = fileURLToPath(new URL('../generator/main.ts', import.meta.url));

/** Runs the independent load generator in its own process, with the half of the data that was not used for planning. */
export async function generate(endpoint: Endpoint, { steps, skipSeconds, seed, events = [] }: Load): Promise<GeneratorReport> {
  const config: GeneratorConfig = {
    ...endpoint,
    images: 'conf/fashion/data/images.npy',
    labels: 'conf/fashion/data/labels.npy',
    samples: [5_000, 10_000],
    steps,
    seed,
    sloMs: SLO_MS,
    deadlineMs: GIVE_UP_MS,
    skipSeconds,
  };
  const generator = startCommand(process.execPath, ['--import', 'tsx', main, JSON.stringify(config)]);
  const timers: NodeJS.Timeout[] = [];
  generator.process.stderr?.once('data', () => {
    for (const { atSecond, act } of events) timers.push(setTimeout(act, 1_000 * atSecond));
  });
  const { code, stdout, stderr } = await generator.ended;
  for (const timer of timers) clearTimeout(timer);
  if (code !== 0) throw new Error(`the load generator ended with code ${code}:\n${stderr}`);
  return JSON.parse(stdout) as GeneratorReport;
}
