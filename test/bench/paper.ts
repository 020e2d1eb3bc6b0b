/**
 * The evaluation of the CascadeServe paper (§6) in the simulator, as a page and a JSON file. It covers two synthetic families at the
 * paper's scale, each at the paper's load and at the higher load that it uses for lax accuracies, and conf/fashion with a profile of
 * its real models that is measured now; additional devices are simulated. The strategies, their search and the simulator are real.
 *
 * Usage: npm run paper [-- OPTIONS]
 *   --full              20 minutes of load, more numbers of devices, the deployments' ranges; takes hours; default: a small version
 *   --only NAME,...     only cases whose names start with one of these: bert-like, llama-like, fashion
 *   --profile FILE      use this profile of conf/fashion instead of measuring
 * Includes the figures of other benches that have been run: bench:planner (Fig. 10), bench:fidelity (Fig. 13), bench:strategies
 * (live, Fig. 8, 9), bench:scaling.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadDeployment } from '../../plans/domain/deployment/read-deployment.ts';
import { readProfile } from '../../plans/domain/profile/profile-file.ts';
import { readBenchResults } from '../../plans/evaluation/bench-results.ts';
import { compareStrategies } from '../../plans/evaluation/compare.ts';
import { comparisonPage, type PagePart } from '../../plans/evaluation/page/page.ts';
import { comparisonTables } from '../../plans/evaluation/page/tables.ts';
import { STRATEGY_NAMES } from '../../plans/evaluation/strategies/names.ts';
import { profileOfSynthetic } from '../../plans/synthetic/synthetic-deployment.ts';
import { parseTrace, scaleToPeak, stretchTrace } from '../../plans/traces/trace.ts';
import { runCascade } from '../support/cascade.ts';
import { writeResult } from './machine.ts';

const SEED = 1;
const FULL_SECONDS = 1_200;
const SMALL_RANGES = 8;
/** Of synthetic families: one half is for choosing, the other for judging, so each half has as many samples as `plan` uses. */
const SAMPLES = 8_000;

interface PaperCase {
  readonly deployment: string;
  /** For synthetic families, the paper's peak. */
  readonly peakQps: number;
  readonly p95LevelsMs: readonly number[];
  /** Default: levels between the accuracies of the models. */
  readonly accuracyLevels?: readonly number[];
  readonly seconds: number;
  readonly devices: readonly number[];
  /** Numbers of devices on which the ablations run. */
  readonly ablated: readonly number[];
}

const UP_TO_8 = [1, 2, 3, 4, 6, 8];
const UP_TO_16 = [...UP_TO_8, 12, 16];
const CASES: Readonly<Record<string, PaperCase>> = {
  'bert-like': {
    deployment: 'conf/synthetic/bert-like',
    peakQps: 7_600,
    p95LevelsMs: [100, 200, 400],
    seconds: 60,
    devices: UP_TO_8,
    ablated: [1, 2],
  },
  'bert-like, lax accuracy': {
    deployment: 'conf/synthetic/bert-like',
    peakQps: 80_000,
    p95LevelsMs: [100, 200, 400],
    accuracyLevels: [0.805, 0.815, 0.825],
    seconds: 20,
    devices: UP_TO_16,
    ablated: [],
  },
  'llama-like': {
    deployment: 'conf/synthetic/llama-like',
    peakQps: 60,
    p95LevelsMs: [1_000, 2_000, 4_000],
    seconds: 120,
    devices: UP_TO_16,
    ablated: [4],
  },
  'llama-like, lax accuracy': {
    deployment: 'conf/synthetic/llama-like',
    peakQps: 196,
    p95LevelsMs: [1_000, 2_000, 4_000],
    accuracyLevels: [0.54, 0.55, 0.57],
    seconds: 120,
    devices: UP_TO_16,
    ablated: [],
  },
  fashion: {
    deployment: 'conf/fashion',
    peakQps: 24_000,
    p95LevelsMs: [25, 50, 100],
    accuracyLevels: [0.92, 0.93, 0.935, 0.94, 0.943],
    seconds: 60,
    devices: UP_TO_16,
    ablated: [2],
  },
};

const { values } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    profile: { type: 'string' },
  },
});
const asked = Object.keys(CASES).filter((name) => values.only.split(',').some((begin) => name.startsWith(begin)));
if (asked.length === 0) throw new Error(`--only ${values.only}: there is ${Object.keys(CASES).join('; ')}`);

const root = fileURLToPath(new URL('../../', import.meta.url));
const results = fileURLToPath(new URL('results/', import.meta.url));
mkdirSync(results, { recursive: true });
const file = `${root}conf/fashion/trace.csv`;
const crowds = parseTrace(readFileSync(file, 'utf8'), file);

async function familyOf(name: string) {
  const deployment = loadDeployment(`${root}${name}`);
  if (deployment.synthetic !== undefined) {
    const more = { ...deployment, synthetic: { ...deployment.synthetic, samples: SAMPLES } };
    return { deployment, profile: profileOfSynthetic(more) };
  }
  const measured = values.profile ?? `${results}fashion-profile.json`;
  if (values.profile === undefined) {
    const { code, stderr } = await runCascade(['profile', `${root}${name}`, '--out', measured]);
    if (code !== 0) throw new Error(`cascade profile ${name} ended with code ${code}:\n${stderr}`);
  }
  return { deployment, profile: readProfile(measured) };
}

// First of all, so that an unreadable file is reported at once.
const bench = readBenchResults(results);
const parts: PagePart[] = [];
for (const title of asked) {
  const { deployment: name, peakQps, p95LevelsMs, accuracyLevels, seconds, devices, ablated } = CASES[title];
  const { deployment, profile } = await familyOf(name);
  const startedMs = performance.now();
  const { comparison } = await compareStrategies({
    deployment,
    profile,
    trace: scaleToPeak(stretchTrace(crowds, values.full ? FULL_SECONDS : seconds), peakQps),
    seed: SEED,
    strategies: STRATEGY_NAMES,
    deviceCounts: values.full ? UP_TO_16 : devices,
    ablatedCounts: ablated,
    p95LevelsMs,
    accuracyLevels,
    ranges: values.full ? undefined : SMALL_RANGES,
    progress: (message) => {
      if (message.endsWith('searching')) process.stderr.write(`${title}: ${message}\n`);
    },
    nowMs: () => performance.now(),
  });
  console.log(`${title}, ${((performance.now() - startedMs) / 1000).toFixed(0)} s\n${comparisonTables(comparison)}`);
  parts.push({ title, comparison, bench });
  // After each case, so that a later failure does not lose earlier results.
  writeResult('paper', {
    full: values.full,
    comparisons: parts.map((part) => ({ title: part.title, ...part.comparison })),
  });
  writeFileSync(`${results}paper.html`, comparisonPage(parts));
}
console.log(`written to ${results}paper.json and ${results}paper.html`);
