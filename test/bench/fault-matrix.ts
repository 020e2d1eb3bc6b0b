/**
 * What each fault costs: of every kind of process one is ended, killed or stopped for 5 s under 1,500 requests/s, and nats-server is
 * killed and started anew. Emulated devices; processes, signals and NATS are real.
 *
 * Usage: npm run bench:fault-matrix
 */
import Table from 'cli-table3';
import { FAULT_QPS, FAULTS, nameOf, runFault, startFaultWorld } from '../support/fault-matrix.ts';
import { writeResult } from './machine.ts';

const world = await startFaultWorld();
const rows = [];
try {
  for (const fault of FAULTS) {
    rows.push({ fault: nameOf(fault), ...(await runFault(world, fault, FAULT_QPS)) });
    console.error(JSON.stringify(rows.at(-1)));
  }
} finally {
  await world.close();
}
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
console.log(`written to ${writeResult('fault-matrix', { emulated: true, qps: FAULT_QPS, rows })}`);
