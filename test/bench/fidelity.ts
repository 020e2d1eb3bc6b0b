/**
 * How well the calibrated simulator predicts the serving plane: 15 plans over three traces, several SLOs and families, with frontends
 * in devices and in their own process, and on 16 emulated devices, each run live and simulated with the same arrivals.
 *
 * Usage: npm run bench:fidelity [-- OPTIONS]
 *   --folder DIR       keeps profiles, calibrations and rows of earlier runs here, so that the bench can be run in parts
 *   --calibrate NAME   calibrates this layout and ends: fashion-in-devices, fashion-frontend, bert-like
 *   --only N,N,...     plans to run, from 1; default: all
 *   --seconds N        of each load of a calibration; 4
 * Calibrates a layout before its first plan if necessary.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { withServing } from '../../actors/calibration/with-serving.ts';
import { liveLoad } from '../../actors/load/live-load.ts';
import { planningProfile } from '../../plans/calibration/planning-profile.ts';
import { readProfile } from '../../plans/domain/profile/profile-file.ts';
import { simulatePlan } from '../../plans/simulator/simulate-plan.ts';
import { constantTrace } from '../../plans/traces/trace.ts';
import { median, writeResult } from './machine.ts';
import { CASES, type LayoutName, SECONDS, traceOfCase } from './support/fidelity/cases.ts';
import { calibrateLayout, planFor, prepareLayout } from './support/fidelity/layout.ts';

const SEED = 7;
const WARM_UP_SECONDS = 3;

interface Row {
  readonly plan: number;
  readonly simulatedP95Ms: number;
  readonly liveP95Ms: number;
  /** Simulated over live, minus 1. */
  readonly error: number;
  readonly simulatedP50Ms: number;
  readonly liveP50Ms: number;
  readonly simulatedAccuracy: number | null;
  readonly liveAccuracy: number | null;
  readonly completed: number;
  readonly unanswered: number;
  readonly void: boolean;
}

const { values } = parseArgs({
  options: {
    folder: { type: 'string' },
    calibrate: { type: 'string' },
    only: { type: 'string' },
    seconds: { type: 'string', default: '4' },
  },
});
const say = (line: string): void => console.error(line);
const into = values.folder === undefined ? mkdtempSync(join(tmpdir(), 'cascade-fidelity-')) : resolve(values.folder);
mkdirSync(into, { recursive: true });
const rowsFile = join(into, 'rows.json');
try {
  if (values.calibrate !== undefined) await calibrate(layoutNamed(values.calibrate));
  else await measure();
} finally {
  if (values.folder === undefined) rmSync(into, { recursive: true });
}

async function measure(): Promise<void> {
  const chosen = values.only?.split(',').map(Number) ?? CASES.map((_, i) => i + 1);
  const unknown = chosen.find((plan) => CASES[plan - 1] === undefined);
  if (unknown !== undefined) throw new Error(`--only: there is no plan ${unknown}; give numbers from 1 to ${CASES.length}`);
  const rows = new Map<number, Row>(
    existsSync(rowsFile) ? (JSON.parse(readFileSync(rowsFile, 'utf8')) as Row[]).map((row) => [row.plan, row]) : [],
  );
  for (const plan of chosen) {
    const { layout } = CASES[plan - 1];
    if (!existsSync(join(into, layout, 'calibration.json'))) await calibrate(layout);
    rows.set(plan, await runCase(plan));
    writeFileSync(rowsFile, JSON.stringify([...rows.values()]));
  }
  report([...rows.values()].sort((a, b) => a.plan - b.plan));
}

async function calibrate(layout: LayoutName): Promise<void> {
  await calibrateLayout(layout, await prepareLayout(layout, into), Number(values.seconds), say);
}

async function runCase(number: number): Promise<Row> {
  const each = CASES[number - 1];
  const { deployment: made, profileFile, folder } = await prepareLayout(each.layout, into);
  const deployment = { ...made, slo: { type: 'latency' as const, p95Ms: each.p95Ms } };
  const corrected = planningProfile(deployment, profileFile, { say });
  const files = { profile: profileFile, plan: join(folder, `plan-${number}.json`) };
  const plan = await planFor(deployment, corrected, { qpsMax: each.qpsMax, p95Ms: each.p95Ms }, files.plan);
  const trace = traceOfCase(each);
  const { report: live } = await withServing({ deployment, profile: readProfile(profileFile), files }, async (target) => {
    await liveLoad({ ...target, trace: constantTrace(each.peakQps / 2, WARM_UP_SECONDS), seed: SEED });
    const first = await liveLoad({ ...target, trace, seed: SEED });
    return first.report.void ? liveLoad({ ...target, trace, seed: SEED }) : first;
  });
  const { report: simulated } = simulatePlan(deployment, corrected, plan, trace, SEED);
  const [simulatedP95Ms, liveP95Ms] = [simulated.latencyMs.p95 ?? Number.NaN, live.latencyMs.p95 ?? Number.NaN];
  const row: Row = {
    plan: number,
    simulatedP95Ms,
    liveP95Ms,
    error: simulatedP95Ms / liveP95Ms - 1,
    simulatedP50Ms: simulated.latencyMs.p50 ?? Number.NaN,
    liveP50Ms: live.latencyMs.p50 ?? Number.NaN,
    simulatedAccuracy: simulated.accuracy,
    liveAccuracy: live.accuracy,
    completed: live.completed,
    unanswered: live.offered - live.completed,
    void: live.void,
  };
  say(JSON.stringify(row));
  return row;
}

function report(rows: readonly Row[]): void {
  const table = new Table({
    head: ['plan', 'layout', 'SLO ms', 'to', 'trace', 'peak', 'p95 simulated', 'p95 live', 'error', 'p50 simulated, live', ''],
    style: { head: [], border: [] },
  });
  for (const row of rows) {
    const { layout, p95Ms, qpsMax, trace, peakQps } = CASES[row.plan - 1];
    table.push([
      row.plan,
      layout,
      p95Ms,
      qpsMax,
      trace,
      peakQps,
      row.simulatedP95Ms.toFixed(2),
      row.liveP95Ms.toFixed(2),
      `${(100 * row.error).toFixed(0)} %`,
      `${row.simulatedP50Ms.toFixed(2)}  ${row.liveP50Ms.toFixed(2)}`,
      row.void ? 'void' : row.unanswered > 0 ? `${row.unanswered} unanswered` : '',
    ]);
  }
  console.log(table.toString());
  const errors = rows.filter((row) => !row.void).map(({ error }) => Math.abs(error));
  const [middle, worst] = [median(errors), Math.max(...errors)];
  console.log(`|error| of ${errors.length} plans: median ${(100 * middle).toFixed(0)} %, worst ${(100 * worst).toFixed(0)} %`);
  const described = rows.map((row) => ({
    ...CASES[row.plan - 1],
    ...row,
    synthetic: CASES[row.plan - 1].layout === 'bert-like',
  }));
  const result = { seconds: SECONDS, seed: SEED, medianError: middle, worstError: worst, rows: described };
  console.log(`written to ${writeResult('fidelity', result)}`);
}

function layoutNamed(name: string): LayoutName {
  const known = CASES.find(({ layout }) => layout === name);
  if (known === undefined)
    throw new Error(`--calibrate: ${name}; give one of ${[...new Set(CASES.map(({ layout }) => layout))].join(', ')}`);
  return known.layout;
}
