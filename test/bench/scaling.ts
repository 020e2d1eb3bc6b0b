/**
 * The cost of planning and serving as work grows: devices 1 to 64, frontends 1 to 4, ranges of load 8 to 256, models 2 to 10. The
 * families are synthetic and the devices emulated; devices share one process because they only wait. Planner, frontends, controller,
 * client and their messages over a nats-server are real. Processor time is the kernel's figure for the processes and includes idle work
 * such as heartbeats.
 *
 * Usage: npm run bench:scaling [-- OPTIONS]; about 10 minutes
 *   --part planning|serving   runs only this part; figures of the other are from the last run
 *   --only devices,...        varies only these quantities; figures of the others are from the last run
 *   --beside-other-work       says in the result that the machine was not quiet
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { loadDeployment } from '../../plans/domain/deployment/read-deployment.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { writePlan } from '../../plans/domain/gear-plan/plan-file.ts';
import { writeProfile } from '../../plans/domain/profile/profile-file.ts';
import { type PlanningCost, readBenchResults, type ServingCost } from '../../plans/evaluation/bench-results.ts';
import { planGears } from '../../plans/planner/planner.ts';
import { planRequestOf } from '../../plans/planner/request-of-deployment.ts';
import type { Report } from '../../plans/report/report.ts';
import { profileOfSynthetic } from '../../plans/synthetic/synthetic-deployment.ts';
import { runCommand } from '../support/cascade.ts';
import { writeResult } from './machine.ts';
import { processorSeconds } from './processor-time.ts';

interface Size {
  readonly devices: number;
  readonly frontends: number;
  readonly ranges: number;
  readonly models: number;
}

const USUAL: Size = { devices: 16, frontends: 1, ranges: 16, models: 5 };
const PLANNED = { devices: [1, 2, 4, 8, 16, 32, 64], ranges: [8, 16, 32, 64, 128, 256], models: [2, 3, 5, 7, 10] };
const SERVED = { devices: [1, 4, 16, 64], frontends: [1, 2, 4], ranges: [8, 32, 256], models: [2, 5, 10] };
/** Planned peak per device, as in the paper's first workload with 16 devices. */
const QPS_PER_DEVICE = 475;
const THREADS = 2;
/** Served load, regardless of the number of devices. */
const SERVED_QPS = 400;
const WARM_UP_SECONDS = 4;
const COUNTED_SECONDS = 10;
/** Unit of the kernel's processor time. */
const TICKS_PER_SECOND = 100;

const { values } = parseArgs({
  options: { part: { type: 'string' }, only: { type: 'string' }, 'beside-other-work': { type: 'boolean', default: false } },
});
if (values.part !== undefined && !['planning', 'serving'].includes(values.part))
  throw new Error(`--part ${values.part}; give planning or serving`);

const only = values.only?.split(',');
const unknown = only?.find((vary) => !Object.hasOwn(USUAL, vary));
if (unknown !== undefined) throw new Error(`--only ${unknown}: there is ${Object.keys(USUAL).join(', ')}`);

function isAsked(vary: keyof Size): boolean {
  return only === undefined || only.includes(vary);
}

/** A family like bert-like, with `models` sizes from its smallest to its largest. */
function deploymentText({ devices, frontends, ranges, models }: Size): string {
  const between = (from: number, to: number, i: number): number => from * (to / from) ** (i / (models - 1));
  const sizes = Array.from({ length: models }, (_, i) => {
    const accuracy = (0.791 + (0.06 * i) / (models - 1)).toFixed(4);
    return `    - { name: size${i}, accuracy: ${accuracy}, fixed: ${between(1.2, 6, i).toFixed(3)}ms, perSample: ${between(0.02, 1, i).toFixed(4)}ms, memory: 1GB }`;
  });
  const ids = Array.from({ length: devices }, (_, i) => `  - { id: d${i}, kind: emulated, like: v100, memory: 16GB }`);
  return [
    'name: growing',
    'synthetic:',
    '  models:',
    ...sizes,
    '  samples: 4000',
    '  classes: 2',
    '  correlation: 0.99',
    '  batches: [1, 2, 4, 8, 16, 32, 64]',
    '  seed: 1',
    'devices:',
    ...ids,
    `frontends: ${frontends}`,
    'slo: { p95: 400ms }',
    `load: { qpsMax: ${QPS_PER_DEVICE * devices}, ranges: ${ranges}, distribution: { zipf: 1.0 } }`,
    'nats: { servers: [nats://127.0.0.1:4222] }',
    '',
  ].join('\n');
}

function prepared(folder: string, size: Size) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'deployment.yaml'), deploymentText(size));
  const deployment = loadDeployment(folder);
  return { deployment, profile: profileOfSynthetic(deployment) };
}

async function planned(folder: string, size: Size): Promise<{ plan: GearPlan; seconds: number; processorSeconds: number }> {
  const { deployment, profile } = prepared(folder, size);
  writeProfile(join(folder, 'profile.json'), profile);
  const startedMs = performance.now();
  const stop = processorSeconds();
  const result = await planGears(planRequestOf(deployment, profile, {}), { threads: THREADS });
  if (result.type === 'infeasible') throw new Error(`${JSON.stringify(size)}: ${result.reason}`);
  return { plan: result.plan, seconds: (performance.now() - startedMs) / 1000, processorSeconds: stop() };
}

function* sizes<Vary extends keyof Size>(
  of: Readonly<Record<Vary, readonly number[]>>,
): Generator<{ vary: Vary; value: number; size: Size }> {
  for (const vary of (Object.keys(of) as Vary[]).filter(isAsked)) {
    for (const value of of[vary]) yield { vary, value, size: { ...USUAL, [vary]: value } };
  }
}

async function planningCosts(folder: string): Promise<PlanningCost[]> {
  const rows: PlanningCost[] = [];
  for (const { vary, value, size } of sizes(PLANNED)) {
    const { plan, seconds, processorSeconds: processor } = await planned(join(folder, `${vary}-${value}`), size);
    rows.push({ vary, value, seconds, processorSeconds: processor });
    process.stderr.write(
      `${value} ${vary}: ${seconds.toFixed(1)} s, ${processor.toFixed(1)} s of processors, ${plan.gears.length} gears\n`,
    );
  }
  return rows;
}

const main = resolve('dist/actors/main.js');

/** Processor time of a process so far, its threads included. */
function processorTicks({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** Resolves once the process is ready; rejects if it ends before that. */
async function ready(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`${child.spawnargs.slice(2).join(' ')} ended with code ${code}`);
  });
  await Promise.race([once(child, 'message'), ended]);
  ended.catch(() => undefined);
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

async function servingCost(folder: string, size: Size): Promise<Omit<ServingCost, 'vary' | 'value'>> {
  writePlan(join(folder, 'plan.json'), (await planned(folder, size)).plan);
  const server = await startNatsServer({ jetstream: true });
  const serve = (role: string, ...more: string[]): ChildProcess => {
    const args = [main, 'serve', folder, '--role', role, ...more, '--nats', server.url, '--log-level', 'error'];
    // Roles tell their parent process when they are ready.
    return spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  };
  const ids = Array.from({ length: size.devices }, (_, i) => `d${i}`);
  const controller = [serve('controller')];
  const devices = [serve('device', '--device', ids.join(','))];
  const frontends = Array.from({ length: size.frontends }, () => serve('frontend'));
  const load = async (seconds: number): Promise<Report> => {
    const args = ['load', folder, '--qps', String(SERVED_QPS), '--seconds', String(seconds), '--nats', server.url, '--json', '-'];
    return JSON.parse((await runCommand(process.execPath, [main, ...args])).stdout) as Report;
  };
  try {
    await Promise.all([...controller, ...devices, ...frontends].map(ready));
    await load(WARM_UP_SECONDS);
    const groups = [frontends, controller, devices];
    const ticks = (): number[] => groups.map((group) => group.reduce((sum, each) => sum + processorTicks(each), 0));
    const before = ticks();
    const { completed, offered } = await load(COUNTED_SECONDS);
    const after = ticks();
    if (completed < 0.9 * offered)
      throw new Error(`${JSON.stringify(size)}: only ${completed} of ${offered} requests were answered`);
    const [frontendsUs, controllerUs, devicesUs] = after.map(
      (value, i) => (1e6 * (value - before[i])) / TICKS_PER_SECOND / completed,
    );
    return { frontendsUs, controllerUs, devicesUs };
  } finally {
    await Promise.all([...frontends, ...devices, ...controller].map(stopped));
    await server.stop();
  }
}

async function servingCosts(folder: string): Promise<ServingCost[]> {
  await runCommand('npm', ['run', 'build']);
  const rows: ServingCost[] = [];
  for (const { vary, value, size } of sizes(SERVED)) {
    const cost = await servingCost(join(folder, `${vary}-${value}`), size);
    rows.push({ vary, value, ...cost });
    const [frontends, controller, devices] = [cost.frontendsUs, cost.controllerUs, cost.devicesUs].map((us) => us.toFixed(0));
    process.stderr.write(`${value} ${vary}: frontends ${frontends}, controller ${controller}, devices ${devices} us a request\n`);
  }
  return rows;
}

const results = new URL('results/', import.meta.url).pathname;
mkdirSync(results, { recursive: true });
const before = readBenchResults(results).scaling;
const folder = mkdtempSync(join(tmpdir(), 'cascade-scaling-'));
try {
  const kept = <T extends { readonly vary: keyof Size }>(rows: readonly T[] = [], part: string): readonly T[] =>
    values.part === undefined || values.part === part ? rows.filter(({ vary }) => !isAsked(vary)) : rows;
  const planning = [...kept(before?.planning, 'planning'), ...(values.part === 'serving' ? [] : await planningCosts(folder))];
  const serving = [...kept(before?.serving, 'serving'), ...(values.part === 'planning' ? [] : await servingCosts(folder))];
  const usual = `where not varied ${USUAL.devices} devices, ${USUAL.ranges} ranges, ${USUAL.models} models`;
  const result = {
    emulated: true,
    besideOtherWork: values['beside-other-work'],
    loadAverage: loadavg(),
    planningCase: `a p95 of 400 ms at up to ${QPS_PER_DEVICE} requests/s for each device; ${usual}; ${THREADS} threads`,
    servingCase: `${SERVED_QPS} requests/s; ${usual}, ${USUAL.frontends} frontend; heartbeats and other idle work are included`,
    planning,
    serving,
  };
  console.table(planning);
  console.table(serving);
  console.log(`written to ${writeResult('scaling', result)}`);
} finally {
  rmSync(folder, { recursive: true });
}
