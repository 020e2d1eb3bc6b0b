import type { Report } from '../../plans/report/report.ts';
import { type Cascade, cascadeJson, type Ended, startCascade } from './cascade.ts';
import { descendants } from './processes.ts';

/** How two `serve` of one deployment settled who runs its devices. */
export interface Settled {
  readonly stays: Cascade;
  /** Of the other one, which ended by itself. */
  readonly end: Ended;
  /** Since both were there. */
  readonly leftAfterMs: number;
}

const serve = (folder: string): Cascade => startCascade(['serve', folder, '--log-level', 'warn']);

/** Two that are started in the same instant. */
export function startTwo(folder: string): Promise<Settled> {
  return settled([serve(folder), serve(folder)]);
}

/** One that is paused with all its processes, for so long at least, and goes on when another one serves. */
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

/** What two seconds of load get from the one that stays. */
export function loadFor2s(folder: string): Promise<Report> {
  return cascadeJson<Report>(['load', folder, '--qps', '100', '--seconds', '2']);
}

/** The one that stays is ready when this resolves. */
async function settled(pair: readonly [Cascade, Cascade]): Promise<Settled> {
  const startedAt = performance.now();
  const first = await Promise.race(pair.map(({ ended }, i) => ended.then((end) => ({ end, i }))));
  const leftAfterMs = performance.now() - startedAt;
  const stays = pair[1 - first.i];
  await stays.firstLine;
  return { stays, end: first.end, leftAfterMs };
}
