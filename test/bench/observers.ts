/**
 * What looking costs: processor time of everything that serves (devices, frontends, controller, nats-server) at 5,000 requests/s, with
 * and without a metrics exporter that is scraped every 5 s and a dashboard that one browser has open, in turn. Where the cores are
 * the limit, the additional time is the loss of throughput.
 *
 * Usage: npm run bench:observers [-- rounds]; a quiet machine
 */
import { readFileSync } from 'node:fs';
import type { Report } from '../../plans/report/report.ts';
import { cascadeJson, startCascade } from '../support/cascade.ts';
import { serveFashion } from '../support/fashion.ts';
import { freePort } from '../support/free-port.ts';
import { descendants } from '../support/processes.ts';
import { median, writeResult } from './machine.ts';

const ROUNDS = Number(process.argv[2] ?? 5);
const QPS = 5_000;
const SECONDS = 10;
const SCRAPE_MS = 5_000;
/** The unit of processor time in proc(5). */
const TICK_MS = 10;

const served = await serveFashion('observed', 'in-devices', { qpsMax: 6_000, ranges: 8 });

/** Processor time so far of the serving processes, the exporter and the dashboard. */
function processorMs(): { serving: number; observing: number } {
  const sums = { serving: 0, observing: 0 };
  for (const { pid, command } of descendants(process.pid)) {
    if (/ load |^ps /.test(command)) continue;
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    sums[/--role (metrics|dashboard)/.test(command) ? 'observing' : 'serving'] +=
      TICK_MS * (Number(fields[11]) + Number(fields[12]));
  }
  return sums;
}

interface Observers {
  stop(): Promise<void>;
}

async function startObservers(): Promise<Observers> {
  const [metrics, dashboard] = [await freePort(), await freePort()];
  const roles = [
    startCascade(['serve', served.folder, '--role', 'metrics', '--metrics', String(metrics)]),
    startCascade(['serve', served.folder, '--role', 'dashboard', '--dashboard', String(dashboard)]),
  ];
  await Promise.all(roles.map(({ firstLine }) => firstLine));
  const browser = new AbortController();
  const events = await fetch(`http://127.0.0.1:${dashboard}/stream`, { signal: browser.signal });
  if (!events.ok || events.body === null) throw new Error(`the dashboard's events: status ${events.status}`);
  const reading = events.body.pipeTo(new WritableStream()).catch((error: Error) => {
    if (error.name !== 'AbortError') throw error;
  });
  const scrape = async (): Promise<void> => {
    const answer = await fetch(`http://127.0.0.1:${metrics}/metrics`);
    if (!(await answer.text()).includes('cascade_')) throw new Error('the exporter has no metrics');
  };
  await scrape();
  const scrapes = setInterval(() => void scrape(), SCRAPE_MS);
  return {
    async stop() {
      clearInterval(scrapes);
      browser.abort();
      await reading;
      await Promise.all(roles.map((role) => role.stop()));
    },
  };
}

/** Processor time per request, in microseconds. */
async function measure(): Promise<{ serving: number; observing: number }> {
  const before = processorMs();
  const report = await cascadeJson<Report>(['load', served.folder, '--qps', String(QPS), '--seconds', String(SECONDS)]);
  const after = processorMs();
  if (report.completed < 0.99 * report.offered)
    throw new Error(`only ${report.completed} of ${report.offered} requests were answered`);
  const per = (ms: number): number => (1_000 * ms) / report.completed;
  return { serving: per(after.serving - before.serving), observing: per(after.observing - before.observing) };
}

const rows: { without: number; with: number; observing: number }[] = [];
try {
  // The first round is a warm-up.
  for (let round = -1; round < ROUNDS; round++) {
    // In turn first and last, because a run is also affected by the one before.
    const first = round % 2 === 0 ? await measure() : undefined;
    const observers = await startObservers();
    const observed = await measure();
    await observers.stop();
    const without = first ?? (await measure());
    if (round >= 0) rows.push({ without: without.serving, with: observed.serving, observing: observed.observing });
  }
} finally {
  await served.close();
}

const figures = {
  qps: QPS,
  rounds: rows,
  servingUs: median(rows.map((row) => row.without)),
  /** Of serving processes, with observers to without. */
  servingRatio: median(rows.map((row) => row.with / row.without)),
  /** Of all processes, those of the exporter and the dashboard included. */
  totalRatio: median(rows.map((row) => (row.with + row.observing) / row.without)),
  observingUs: median(rows.map((row) => row.observing)),
};
console.table([
  {
    servingUs: figures.servingUs,
    observingUs: figures.observingUs,
    servingRatio: figures.servingRatio,
    totalRatio: figures.totalRatio,
  },
]);
console.log(writeResult('observers', figures));
