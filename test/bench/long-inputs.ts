/**
 * How a very long request affects others: p50 and p99 of requests of 3 to 30 tokens to an attention model, alternately without and with
 * a request of thousands of tokens every second. By default such a request is refused; a second deployment accepts it, so that it
 * takes device time and others wait for it.
 *
 * Usage: npm run bench:long-inputs
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import Table from 'cli-table3';
import { firstValueFrom } from 'rxjs';
import { type CascadeClient, connectCascade } from '../../actors/client/client.ts';
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { isFailure } from '../../plans/protocol/messages.ts';
import { percentile } from '../../plans/report/percentile.ts';
import { tokens, writeAttentionFamily } from '../fixtures/attention-family.ts';
import { cascadeJson, startCascade } from '../support/cascade.ts';
import { median, writeResult } from './machine.ts';

const ROUNDS = 5;
const SECONDS = 6;
const QPS = 100;
const DEADLINE_MS = 60_000;

interface Measured {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failed: number;
  /** Outcomes of the long requests, by error code or model. */
  readonly long: Readonly<Record<string, number>>;
}

/** Open loop: sends requests on schedule and measures latency from the scheduled time. */
async function measure(client: CascadeClient, longTokens: number | undefined): Promise<Measured> {
  const latencies: number[] = [];
  const long: Record<string, number> = {};
  let failed = 0;
  const asked: Promise<unknown>[] = [];
  const start = performance.now();
  for (let i = 0; i < QPS * SECONDS; i++) {
    const dueAt = start + (i * 1000) / QPS;
    const wait = dueAt - performance.now();
    if (wait > 0) await setTimeout(wait);
    asked.push(
      client.infer({ ids: tokens(3 + (i % 28)) }, { deadlineMs: DEADLINE_MS }).then(
        () => latencies.push(performance.now() - dueAt),
        () => failed++,
      ),
    );
    if (longTokens === undefined || i % QPS !== QPS / 2) continue;
    const request = { inputs: { ids: tokens(longTokens) }, deadlineMs: DEADLINE_MS };
    asked.push(
      firstValueFrom(client.inferMany([request])).then((answer) => {
        const outcome = isFailure(answer) ? answer.error.code : answer.model;
        long[outcome] = (long[outcome] ?? 0) + 1;
      }),
    );
  }
  await Promise.all(asked);
  const sorted = Float64Array.from(latencies).sort();
  return { p50Ms: percentile(sorted, 0.5) ?? Number.NaN, p99Ms: percentile(sorted, 0.99) ?? Number.NaN, failed, long };
}

async function compare(more: string, longTokens: number) {
  const folder = mkdtempSync(join(tmpdir(), 'cascade-long-inputs-'));
  writeAttentionFamily(folder, more);
  await cascadeJson(['profile', folder]);
  await cascadeJson(['plan', folder]);
  const serving = startCascade(['serve', folder, '--nats', server.url, '--log-level', 'warn']);
  await serving.firstLine;
  const client = await connectCascade({ servers: server.url, deployment: 'attention' });
  await measure(client, undefined);
  const rounds: { without: Measured; with: Measured }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push({ without: await measure(client, undefined), with: await measure(client, longTokens) });
  }
  await client.close();
  const { stderr } = await serving.stop();
  rmSync(folder, { recursive: true });
  const of = (which: 'without' | 'with', figure: 'p50Ms' | 'p99Ms'): number =>
    median(rounds.map((round) => round[which][figure]));
  return {
    longTokens,
    p50Ms: { without: of('without', 'p50Ms'), with: of('with', 'p50Ms') },
    p99Ms: { without: of('without', 'p99Ms'), with: of('with', 'p99Ms') },
    p99Ratio: median(rounds.map((round) => round.with.p99Ms / round.without.p99Ms)),
    devicesEnded: (stderr.match(/the device hangs|actor died|ended with/g) ?? []).length,
    rounds,
  };
}

const server = await startNatsServer({ jetstream: true });
const results = {
  refused: await compare('', 14_000),
  accepted: await compare('inputs: { ids: { maxLength: 4000 } }', 4_000),
};
await server.stop();
const table = new Table({
  head: ['long requests are', 'tokens', 'p50 ms without / with', 'p99 ms without / with', 'p99 ratio', 'devices ended'],
});
for (const [name, { longTokens, p50Ms, p99Ms, p99Ratio, devicesEnded }] of Object.entries(results)) {
  const pair = ({ without, with: amid }: { without: number; with: number }): string =>
    `${without.toFixed(1)} / ${amid.toFixed(1)}`;
  table.push([name, longTokens, pair(p50Ms), pair(p99Ms), p99Ratio.toFixed(2), devicesEnded]);
}
process.stdout.write(`${table}\n`);
writeResult('long-inputs', { rounds: ROUNDS, secondsEach: SECONDS, qps: QPS, ...results });
