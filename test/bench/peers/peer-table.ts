import Table from 'cli-table3';
import { median } from '../machine.ts';
import type { PeerRun, PeerSettings } from './measure-peer.ts';

type Figure = (run: PeerRun) => number | null | undefined;

/** A row for each contender with medians over the rounds; a missing figure counts as the worst. */
export function peerTable(runs: readonly PeerRun[], { lightQps, crowdQps }: PeerSettings): string {
  const columns: readonly (readonly [head: string, of: Figure, show: (value: number) => string])[] = [
    ['99 % within 100 ms, up to', ({ max }) => max && (max.maxQps ?? 0), (value) => `${value.toFixed(0)}/s`],
    ['accuracy there', ({ max }) => max?.accuracy, percent],
    [`p50 ms at ${lightQps}/s`, ({ light }) => light?.offeredLatencyMs.p50, oneDigit],
    ['p99 ms', ({ light }) => light?.offeredLatencyMs.p99, oneDigit],
    [`crowd of ${crowdQps}/s: within 100 ms`, ({ crowd }) => crowd?.withinShare, percent],
    ['p95 ms', ({ crowd }) => crowd?.offeredLatencyMs.p95, oneDigit],
    ['accuracy', ({ crowd }) => crowd?.accuracy, percent],
    ['s until back', ({ crowd }) => crowd?.secondsBackToNormal, oneDigit],
    ['start-up s', ({ startUpSeconds }) => startUpSeconds, oneDigit],
    ['MiB idle', ({ idle }) => idle.pssMiB, (value) => value.toFixed(0)],
    ['MiB after', ({ crowd }) => crowd?.pssMiB, (value) => value.toFixed(0)],
  ];
  const table = new Table({ head: ['', ...columns.map(([head]) => head)], style: { head: [], border: [] }, wordWrap: true });
  for (const name of new Set(runs.map((run) => run.name))) {
    const own = runs.filter((run) => run.name === name);
    const cells = columns.map(([, of, show]) => {
      const value = median(own.map((run) => of(run) ?? Number.POSITIVE_INFINITY));
      return Number.isFinite(value) ? show(value) : '-';
    });
    const generatorLimit = own.some(({ max }) => max?.limitedBy === 'generator') ? ' (generator was the limit)' : '';
    table.push([`${name}${generatorLimit}`, ...cells]);
  }
  return table.toString();
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function oneDigit(value: number): string {
  return value.toFixed(1);
}
