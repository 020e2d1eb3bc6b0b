import type { Report } from '../../plans/report/report.ts';
import { type Cascade, cascadeJson, type Ended, startCascade } from './cascade.ts';
import { descendants } from './processes.ts';

/** The outcome when two `serve` of one deployment compete for its devices. */
export interface Settled {
  readonly stays: Cascade;
  /** How the other one ended by itself. */
  readonly end: Ended;
  /** Time since both were running. */
  readonly leftAfterMs: number;
}

const serve = (folder: string): Cascade => startCascade(['serve', folder, '--log-level', 'warn']);

/** Starts two at the same time. */
export function startTwo(folder: string): Promise<Settled> {
  return settled([serve(folder), serve(folder)]);
}

/** Pauses one with all its processes, for at least `pausedMs`, and continues it once another one serves. */
export async function pauseAndReplace(folder: string, pausedMs = 0): Promise<Settled & { readonly replacementStays: boolean }> {
  const paused = serve(folder);
  await paused.firstLine;
  const all = [paused.process.pid!, ...descendants(paused.process.pid!).map(({ pid }) => pid)];
  for (const pid of all) process.kill(pid, 'SIGSTOP');
  const over = new Promise((resolve) => setTimeout(resolve, pausedMs));
  const replacement = serve(folder);
  await Promise.all([replacement.firstLine, over]);
  for (const pid of all) process.kill(pid, 'SIGCONT');
  const outcome = await settled([paused, replacement]);
  return { ...outcome, replacementStays: outcome.stays === replacement };
}

/** Runs two seconds of load against the one that stays. */
export function loadFor2s(folder: string): Promise<Report> {
  return cascadeJson<Report>(['load', folder, '--qps', '100', '--seconds', '2']);
}

/** Resolves once the one that stays is ready. */
async function settled(pair: readonly [Cascade, Cascade]): Promise<Settled> {
  const startedAt = performance.now();
  const first = await Promise.race(pair.map(({ ended }, i) => ended.then((end) => ({ end, i }))));
  const leftAfterMs = performance.now() - startedAt;
  const stays = pair[1 - first.i];
  await stays.firstLine;
  return { stays, end: first.end, leftAfterMs };
}
