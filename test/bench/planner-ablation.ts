/**
 * What switching and cascading contribute (CascadeServe Fig. 12): compares our plan with the best plan that only switches between
 * single models and the best that runs one cascade at all loads, all found by the same planner. Reports expected accuracy over the
 * distribution of loads, on the fashion example's profile, if there is one, and on the two cases of the paper's scale.
 *
 * Usage: npm run bench:planner
 */
import { existsSync } from 'node:fs';
import Table from 'cli-table3';
import { loadDeployment } from '../../plans/domain/deployment/read-deployment.ts';
import { readProfile } from '../../plans/domain/profile/profile-file.ts';
import type { PlanRequest } from '../../plans/planner/plan-request.ts';
import { planGears } from '../../plans/planner/planner.ts';
import { planRequestOf } from '../../plans/planner/request-of-deployment.ts';
import { writeResult } from './machine.ts';
import { PAPER_CASES, paperCase } from './planner-cases.ts';

const FASHION = new URL('../../conf/fashion/', import.meta.url).pathname;
/** Peaks as multiples of the deployment's, because the benefit of switching depends on how much the load varies. */
const PEAKS = [1, 2, 4, 8];

const cases: { name: string; request: PlanRequest }[] = [];
if (existsSync(`${FASHION}profile.json`)) {
  const deployment = loadDeployment(FASHION);
  const profile = readProfile(`${FASHION}profile.json`);
  for (const peak of PEAKS) {
    const qpsMax = peak * deployment.load.qpsMax;
    cases.push({ name: `fashion, ${qpsMax} requests/s`, request: planRequestOf(deployment, profile, { qpsMax }) });
  }
} else console.log('no profile of the fashion example (cascade profile conf/fashion): synthetic cases only');
for (const name of PAPER_CASES) cases.push({ name: `${name} (synthetic)`, request: paperCase(name) });

const rows = [];
for (const { name, request } of cases) {
  const expected = async (restrict: PlanRequest['restrict']) => {
    const result = await planGears({ ...request, restrict, contingencies: false }, { threads: 2 });
    return result.type === 'plan' ? result.plan.expected : null;
  };
  rows.push({
    name,
    ours: await expected(undefined),
    singleModels: await expected('single-models'),
    oneCascade: await expected('one-cascade'),
  });
}

const table = new Table({
  head: ['case', 'ours', 'single models, switched', 'one cascade, not switched', 'p95 ms: ours / single / one'],
  style: { head: [], border: [] },
});
const percent = (expected: { accuracy: number } | null): string =>
  expected === null ? 'none' : `${(100 * expected.accuracy).toFixed(2)} %`;
const ms = (expected: { latencyMsP95: number } | null): string => expected?.latencyMsP95.toFixed(1) ?? '-';
for (const { name, ours, singleModels, oneCascade } of rows)
  table.push([
    name,
    percent(ours),
    percent(singleModels),
    percent(oneCascade),
    `${ms(ours)} / ${ms(singleModels)} / ${ms(oneCascade)}`,
  ]);
console.log(table.toString());
console.log(`written to ${writeResult('planner-ablation', { rows })}`);
