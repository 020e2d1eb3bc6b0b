/**
 * Two `serve` of one deployment: started at the same time, twenty times; and one that is paused for ten seconds and replaced, ten times.
 * Reports how one of the two exits, how long that takes, and the results of two seconds of load on the other one afterwards.
 *
 * Usage: npm run bench:two-of-everything [-- starts pauses]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Table from 'cli-table3';
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { writeEmulatedPair } from '../support/emulated-pair.ts';
import { loadFor2s, pauseAndReplace, type Settled, startTwo } from '../support/rivals.ts';
import { median, writeResult } from './machine.ts';

const [starts = 20, pauses = 10] = process.argv.slice(2).map(Number);
const PAUSED_MS = 10_000;

interface Round {
  readonly kind: 'same instant' | 'paused and replaced';
  /** Exit code of the one that leaves. */
  readonly code: number | null;
  readonly leftAfterMs: number;
  readonly stayedCode: number | null;
  readonly offered: number;
  readonly completed: number;
  readonly duplicates: number;
  readonly lost: number;
}

const folder = mkdtempSync(join(tmpdir(), 'cascade-two-'));
const server = await startNatsServer();
const rounds: Round[] = [];

async function measure(kind: Round['kind'], { stays, end, leftAfterMs }: Settled): Promise<void> {
  const { offered, completed, duplicates, lost } = await loadFor2s(folder);
  const { code: stayedCode } = await stays.stop();
  rounds.push({ kind, code: end.code, leftAfterMs, stayedCode, offered, completed, duplicates, lost });
  console.error(JSON.stringify(rounds.at(-1)));
}

try {
  await writeEmulatedPair(folder, { name: 'one', nats: `{ servers: [${server.url}] }`, frontends: 'in-devices' });
  for (let i = 0; i < starts; i++) await measure('same instant', await startTwo(folder));
  for (let i = 0; i < pauses; i++) await measure('paused and replaced', await pauseAndReplace(folder, PAUSED_MS));
} finally {
  await server.stop();
  rmSync(folder, { recursive: true });
}

const table = new Table({
  head: ['', 'rounds', 'left with code 2', 'left after ms (median, most)', 'completed of offered', 'duplicates', 'lost'],
  style: { head: [], border: [] },
});
for (const kind of ['same instant', 'paused and replaced'] as const) {
  const those = rounds.filter((round) => round.kind === kind);
  const sum = (of: (round: Round) => number): number => those.reduce((total, round) => total + of(round), 0);
  const times = those.map(({ leftAfterMs }) => leftAfterMs);
  table.push([
    kind,
    those.length,
    sum(({ code }) => (code === 2 ? 1 : 0)),
    times.length === 0 ? '-' : `${median(times).toFixed(0)}, ${Math.max(...times).toFixed(0)}`,
    `${sum(({ completed }) => completed)} of ${sum(({ offered }) => offered)}`,
    sum(({ duplicates }) => duplicates),
    sum(({ lost }) => lost),
  ]);
}
console.log(table.toString());
console.log(`written to ${writeResult('two-of-everything', { pausedMs: PAUSED_MS, rounds })}`);
