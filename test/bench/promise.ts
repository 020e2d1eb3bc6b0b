/**
 * Whether a plan keeps its promise: conf/fashion is profiled, planned and served under an independent load generator in its own process
 * (test/bench/support/generator). With --tree, another checkout is measured too, interleaved with this one.
 *
 * Usage: npm run bench:promise [-- OPTIONS]
 *   --scenario loads (default)  each load for some seconds
 *              busy             a busy loop on the device's core comes and goes
 *              flash            500/s, a crowd of 4,000/s for 10 s, 500/s
 *              loop             the highest load with 99 % within 100 ms, against a hand-written loop
 *              light            latency at 400/s, against the same
 *              saturation       the largest model alone at 1.3 times its capacity, against an offline loop
 *   --tree DIR        another checkout
 *   --folder DIR      keeps profiles and plans here and reuses existing ones
 *   --rounds N        rounds, of which the table shows medians; 2
 *   --seconds N       measured seconds of each run; 8
 *   --loads N,N,...   requests per second, instead of the scenario's
 *   --qps-max N       load to plan for, instead of the deployment's
 *   --busy 10-20,...  seconds in which the core is shared
 *   --batch N         limit of the hand-written loop; 64
 *   --only NAME,...   contenders whose names contain one of these (loop, light)
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { writeResult } from './machine.ts';
import { buildHandwritten, prepareTree } from './support/promise/contender.ts';
import { busy, flash, light, loads, loop, type Scenario, saturation } from './support/promise/scenarios.ts';

const SCENARIOS: Readonly<Record<string, Scenario>> = { loads, busy, flash, loop, light, saturation };

const { values } = parseArgs({
  options: {
    scenario: { type: 'string', default: 'loads' },
    tree: { type: 'string' },
    folder: { type: 'string' },
    rounds: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '8' },
    loads: { type: 'string' },
    'qps-max': { type: 'string' },
    busy: { type: 'string', default: '10-20,30-40' },
    batch: { type: 'string', default: '64' },
    only: { type: 'string', default: '' },
  },
});

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${option}: ${text}; give a number above 0`);
  return value;
}

if (!Object.hasOwn(SCENARIOS, values.scenario))
  throw new Error(`--scenario: ${values.scenario}; give one of ${Object.keys(SCENARIOS).join(', ')}`);
const options = {
  rounds: positive('rounds', values.rounds),
  seconds: positive('seconds', values.seconds),
  loads: values.loads?.split(',').map((qps) => positive('loads', qps)),
  busy: values.busy.split(',').map((span) => {
    const [from, to] = span.split('-').map((second) => positive('busy', second));
    return [from, to] as const;
  }),
  batch: values.batch,
  only: values.only.split(',').filter(Boolean),
};
const into = values.folder === undefined ? mkdtempSync(join(tmpdir(), 'cascade-promise-')) : resolve(values.folder);
mkdirSync(into, { recursive: true });
try {
  const own = await prepareTree('this', resolve('.'), into, values['qps-max']);
  const others = values.tree === undefined ? [] : [await prepareTree('before', resolve(values.tree), into, values['qps-max'])];
  await buildHandwritten();
  const result = await SCENARIOS[values.scenario]({ trees: [own, ...others], into, ...options });
  console.log(`written to ${writeResult(`promise-${values.scenario}`, { ...options, tree: values.tree ?? null, ...result })}`);
} finally {
  if (values.folder === undefined) rmSync(into, { recursive: true });
}
