/**
 * What each fault costs: under 1,500 requests/s, one process of every kind is terminated, killed or stopped for 5 s, and nats-server is
 * killed and restarted. Devices are emulated; processes, signals and NATS are real. The second part does the same to one of two device
 * processes that take requests themselves (`frontends: in-devices`), with real models: requests that it has taken are lost with it, and
 * the client library sends them again.
 *
 * Usage: npm run bench:fault-matrix [-- in-devices], which is the second part alone
 */
import Table from 'cli-table3';
import {
  FAULT_QPS,
  FAULTS,
  FAULTS_IN_DEVICES,
  type Fault,
  type FaultOutcome,
  type FaultWorld,
  nameOf,
  runFault,
  startFaultWorld,
  startInDevicesWorld,
} from '../support/fault-matrix.ts';
import { writeResult } from './machine.ts';

const only = process.argv[2];
if (only !== undefined && only !== 'in-devices') throw new Error(`${only}: give in-devices, or nothing`);

type Row = FaultOutcome & { readonly fault: string; readonly emulated: boolean };

async function run(starting: Promise<FaultWorld>, faults: readonly Fault[], of: Pick<Row, 'emulated'>): Promise<Row[]> {
  const world = await starting;
  const rows: Row[] = [];
  try {
    for (const fault of faults) {
      const where = of.emulated ? '' : ', in-devices';
      rows.push({ fault: `${nameOf(fault)}${where}`, ...of, ...(await runFault(world, fault, FAULT_QPS)) });
      console.error(JSON.stringify(rows.at(-1)));
    }
  } finally {
    await world.close();
  }
  return rows;
}

const rows = only === undefined ? await run(startFaultWorld(), FAULTS, { emulated: true }) : [];
rows.push(...(await run(startInDevicesWorld(), FAULTS_IN_DEVICES, { emulated: false })));
const table = new Table({
  head: [
    'fault',
    'offered',
    'results',
    'errors',
    'not once',
    'wrong',
    'duplicates',
    'retries',
    '95 % again after ms',
    'goodput after 3 s',
  ],
  style: { head: [], border: [] },
});
for (const row of rows)
  table.push([
    row.fault,
    row.offered,
    row.results,
    JSON.stringify(row.errors),
    row.notOnce,
    row.wrong,
    row.duplicates,
    row.retries,
    row.recoveredMs ?? 'never',
    `${(100 * row.goodputAfter3s).toFixed(1)} %`,
  ]);
console.log(table.toString());
console.log(`written to ${writeResult('fault-matrix', { qps: FAULT_QPS, rows })}`);
