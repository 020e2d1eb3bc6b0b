/**
 * Half an hour at 70 % of the planned load, in waves that change gears, while every half minute a process is killed or another plan is
 * pushed. Reports lost requests and whether the memory of any process keeps growing. Devices are emulated; processes, signals and NATS
 * are real.
 *
 * Usage: npm run bench:soak [-- minutes [slower]]; on a busy machine, `slower` makes devices slower and divides the load by as much
 */
import { setTimeout } from 'node:timers/promises';
import Table from 'cli-table3';
import { messageOf } from '../../engine/errors.ts';
import { PAIR_QPS_MAX } from '../support/emulated-pair.ts';
import { Traffic } from '../support/traffic.ts';
import { writeResult } from './machine.ts';
import { type Holding, holdingOf, type ProcessTrend, trendOf, trendsOf } from './support/soak/holdings.ts';
import type { Slope } from './support/soak/slope.ts';
import { startSoakWorld } from './support/soak/world.ts';

const [minutes = 30, slower = 1] = process.argv.slice(2).map(Number);
if (!(minutes > 0 && slower >= 1)) throw new Error(`${process.argv.slice(2)}: give minutes, and how many times slower`);

const INCIDENT_EVERY_MS = 30_000;
const SAMPLE_EVERY_MS = 15_000;
/** Mean load, amplitude of the wave around it, and its period in seconds. */
const [MEAN, SWING, WAVE_SECONDS] = [0.7, 0.25, 40];

/** Number of requests due by a time: the integral of the wave. */
function dueBy(seconds: number): number {
  const turns = (2 * Math.PI) / WAVE_SECONDS;
  return (PAIR_QPS_MAX / slower) * (MEAN * seconds + (SWING / turns) * (1 - Math.cos(turns * seconds)));
}

const world = await startSoakWorld(SAMPLE_EVERY_MS, slower);
const traffic = new Traffic(world.client, world.profile, dueBy);
const ofNats: Holding[] = [];
const sampling = setInterval(() => ofNats.push(holdingOf(world.natsPid)), SAMPLE_EVERY_MS);
const incidents: Record<string, number> = {};
const count = (what: string): void => {
  incidents[what] = (incidents[what] ?? 0) + 1;
};
const endsAt = performance.now() + minutes * 60_000;
for (let i = 0; performance.now() + INCIDENT_EVERY_MS < endsAt; i++) {
  await setTimeout(INCIDENT_EVERY_MS);
  if (i % 2 === 0) count(world.restartOne());
  else
    count(
      await world.pushOther().then((refused) => (refused === undefined ? 'plan pushed' : `plan refused: ${refused}`), messageOf),
    );
  console.error(
    JSON.stringify({ i, incidents, offered: traffic.offered, results: traffic.results, failures: [...traffic.failures] }),
  );
}
await setTimeout(Math.max(0, endsAt - performance.now()));
clearInterval(sampling);
const { gearSwitches } = await world.status();
await traffic.stop();
const { duplicates, retries } = world.client.counts;
const processes: ProcessTrend[] = [...trendsOf(world.samples), trendOf('nats-server', world.natsPid, ofNats)];
await world.close();

const requests = {
  offered: traffic.offered,
  results: traffic.results,
  failures: Object.fromEntries(traffic.failures),
  lost: traffic.offered - traffic.ended.size,
  endedTwice: [...traffic.ended.values()].filter((times) => times > 1).length,
  wrong: traffic.wrong.length,
  duplicates,
  retries,
};
const shown = (slope: Slope | undefined): string =>
  slope === undefined ? '-' : `${slope.slope.toFixed(2)} [${slope.interval.map((end) => end.toFixed(2)).join(', ')}]`;
const table = new Table({
  head: ['process', 'minutes', 'RSS MiB', 'RSS MiB/h [95 %]', 'held MiB/h [95 %]', 'descriptors first, last, most'],
  style: { head: [], border: [] },
});
for (const { process: name, minutes: lived, lastRssMiB, rssMiBPerHour, heldMiBPerHour, descriptors } of processes)
  table.push([
    name,
    lived.toFixed(1),
    lastRssMiB.toFixed(0),
    shown(rssMiBPerHour),
    shown(heldMiBPerHour),
    `${descriptors.first}, ${descriptors.last}, ${descriptors.most}`,
  ]);
console.log(table.toString());
console.log({ ...requests, gearSwitches, incidents });
console.log(
  `written to ${writeResult('soak', { minutes, slower, meanLoad: MEAN, gearSwitches, incidents, requests, processes })}`,
);
if (requests.lost + requests.endedTwice + requests.wrong > 0) process.exitCode = 1;
