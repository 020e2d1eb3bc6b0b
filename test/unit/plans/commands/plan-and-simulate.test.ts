import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ConfigError } from '../../../../engine/errors.ts';
import * as plan from '../../../../plans/commands/plan.ts';
import * as simulate from '../../../../plans/commands/simulate.ts';
import { allGears, gearPlanSchema } from '../../../../plans/domain/gear-plan/gear-plan.ts';
import { readPlan } from '../../../../plans/domain/gear-plan/plan-file.ts';
import { runInProcess } from '../../../support/run-in-process.ts';
import { writeTiny } from '../../../support/tiny-deployment.ts';

const dir = mkdtempSync(join(tmpdir(), 'cascade-plan-'));

beforeAll(() => writeTiny(dir, { devices: ['cpu0', 'cpu1'], load: '{ qpsMax: 1000, ranges: 4 }' }));

afterAll(() => rmSync(dir, { recursive: true }));

afterEach(() => {
  process.exitCode = undefined;
});

const run = (...args: string[]) => runInProcess([plan, simulate], args);

describe('cascade plan', () => {
  test('refuses a default file that cannot be written before it does anything', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cascade-plan-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeTiny(folder, { devices: ['cpu0'], load: '{ qpsMax: 1000 }' });
    rmSync(join(folder, 'profile.json'));
    mkdirSync(join(folder, 'plan.json'));
    await expect(run('plan', folder)).rejects.toThrow(/plan\.json, where the result would go without --out, is a folder/);
  });

  test('is the same for a family listed with the most expensive model first', async () => {
    const yaml = join(dir, 'deployment.yaml');
    const listed = readFileSync(yaml, 'utf8');
    const { stdout: expected } = await run('plan', dir, '--json', '-');
    writeFileSync(yaml, listed.replace(/\[ (\{ name: small.*?\}), (\{ name: large.*?\}) \]/, '[ $2, $1 ]'));
    expect(readFileSync(yaml, 'utf8')).toMatch(/name: large.*name: small/);
    const { stdout } = await run('plan', dir, '--json', '-').finally(() => writeFileSync(yaml, listed));
    expect(stdout).toBe(expected);
  });

  test('writes plan.json next to the deployment and shows it as a table', async () => {
    const { stdout, stderr } = await run('plan', dir);
    const written = gearPlanSchema.parse(JSON.parse(readFileSync(join(dir, 'plan.json'), 'utf8')));
    // The first two of the four ranges share a gear, and so do the last two.
    expect(written.gears.map((gear) => gear.qps)).toEqual([
      [0, 500],
      [500, 1000],
    ]);
    expect(stdout).toContain('500 - 1000');
    const last = written.beyond?.at(-1);
    expect(last?.cascade).toEqual([{ model: 'small' }]);
    expect(stdout).toContain(`- ${last?.qps[1]} *`);
    expect(stdout).toContain('best effort, no SLO promised');
    expect(stdout).toContain('synthetic');
    expect(stderr).toContain('plan.json');
  });

  test('with --json - writes nothing but JSON to stdout', async () => {
    const { stdout } = await run(
      'plan',
      dir,
      '--json',
      '-',
      '--out',
      join(dir, 'other.json'),
      '--ranges',
      '2',
      '--qps-max',
      '500',
    );
    const printed = gearPlanSchema.parse(JSON.parse(stdout));
    expect(printed.gears.map((gear) => gear.qps)).toEqual([[0, 500]]);
    expect(printed.qpsWeights).toEqual([1]);
    expect(JSON.parse(readFileSync(join(dir, 'other.json'), 'utf8'))).toEqual(printed);
  });

  test('the SLO on the command line replaces that of the deployment', async () => {
    const { stdout } = await run('plan', dir, '--json', '-', '--out', join(dir, 'other.json'), '--accuracy', '0.85');
    const printed = gearPlanSchema.parse(JSON.parse(stdout));
    expect(printed.slo).toEqual({ accuracy: 0.85 });
    expect(printed.expected.accuracy).toBeGreaterThanOrEqual(0.85);
  });

  test('an SLO that cannot be met ends with exit code 3 and says where and why', async () => {
    const { stdout, stderr } = await run('plan', dir, '--qps-max', '10000000', '--json', '-');
    expect(process.exitCode).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({ type: 'infeasible', qpsRange: [7_500_000, 10_000_000], model: 'small' });
    expect(stderr).toContain('no plan meets p95 <= 100 ms on 2 devices');
    expect(stderr).toContain('7500000 to 10000000 requests/s');
  });

  test.each([
    [['--p95', '100', '--accuracy', '0.9'], ConfigError, '--p95 and --accuracy'],
    [['--p95', 'fast'], Error, 'use milliseconds'],
    [['--accuracy', '92'], Error, 'use a fraction from 0 to 1'],
    [['--ranges', '1.5'], Error, 'use a whole number'],
    [['--profile', '/nowhere/profile.json'], ConfigError, '/nowhere/profile.json'],
  ])('refuses %j', async (args, kind, message) => {
    const attempt = run('plan', dir, ...args);
    await expect(attempt).rejects.toThrow(kind);
    await expect(attempt).rejects.toThrow(message);
  });
});

test.each([['plan'], ['simulate', '--qps', '5', '--seconds', '1']])(
  '%s warns of devices that share a core, since it counts on both',
  async (command, ...load) => {
    const shared = join(dir, 'shared');
    mkdirSync(shared, { recursive: true });
    writeTiny(shared, { devices: ['cpu0', 'cpu1'], load: '{ qpsMax: 500, ranges: 1 }' });
    const yaml = join(shared, 'deployment.yaml');
    writeFileSync(yaml, readFileSync(yaml, 'utf8').replaceAll('kind: cpu,', 'kind: cpu, cores: [0],'));
    const out = command === 'plan' ? ['--out', join(shared, 'plan.json')] : ['--plan', join(dir, 'plan.json')];
    const { stderr } = await run(command, shared, ...load, ...out);
    expect(stderr).toContain('devices cpu0 and cpu1 are both pinned to core 0');
  },
);

describe('cascade simulate', () => {
  test('counts audits if the deployment has them', async () => {
    const yaml = join(dir, 'deployment.yaml');
    const plain = readFileSync(yaml, 'utf8');
    const args = ['simulate', dir, '--qps', '900', '--seconds', '4'];
    const { stdout: without } = await run(...args, '--json', '-');
    expect(JSON.parse(without)).not.toHaveProperty('audits');
    writeFileSync(yaml, `${plain}audit: { share: 0.5 }\n`);
    try {
      const { audits } = JSON.parse((await run(...args, '--json', '-')).stdout);
      expect(audits.drawn).toBeGreaterThan(100);
      const { stdout } = await run(...args);
      expect(stdout).toContain(`audited: ${audits.compared} of ${audits.drawn} answers drawn, in spare time`);
    } finally {
      writeFileSync(yaml, plain);
    }
  });

  test('reports on a trace, the same for the same seed', async () => {
    await run('plan', dir);
    writeFileSync(join(dir, 'trace.csv'), 'second,qps\n0,100\n1,900\n2,100\n');
    const args = ['simulate', dir, '--trace', join(dir, 'trace.csv'), '--json', '-'];
    const [first, again, other] = [await run(...args), await run(...args), await run(...args, '--seed', '2')];
    const report = JSON.parse(first.stdout);
    expect(report).toMatchObject({ rejected: 0, errors: 0, lost: 0, duplicates: 0, sloAttainment: 1 });
    // The trace takes 3 s; the last request, sent in the third, may be answered after its end.
    expect(report.seconds).toBeGreaterThanOrEqual(3);
    expect(report.seconds).toBeLessThanOrEqual(3 + report.latencyMs.max / 1_000);
    expect(report.goodputQps).toBe(report.completed / report.seconds);
    expect(report.completed).toBe(report.offered);
    expect(report.gears).toHaveLength(allGears(readPlan(join(dir, 'plan.json'))).length);
    expect(Object.keys(report.deviceUtilisation)).toEqual(['cpu0', 'cpu1']);
    expect(again.stdout).toBe(first.stdout);
    expect(other.stdout).not.toBe(first.stdout);
  });

  test('reports the same in whatever order the profile lists the models', async () => {
    await run('plan', dir);
    const turned = join(dir, 'turned.json');
    const profile = JSON.parse(readFileSync(join(dir, 'profile.json'), 'utf8'));
    writeFileSync(turned, JSON.stringify({ ...profile, models: profile.models.toReversed() }));
    const args = ['simulate', dir, '--qps', '900', '--seconds', '3', '--json', '-'];
    const { stdout } = await run(...args);
    expect((await run(...args, '--profile', turned)).stdout).toBe(stdout);
  });

  test.each(['plan', 'simulate'])('%s refuses a profile without the runtimes of a model on a device', async (command) => {
    const edited = join(dir, 'edited.json');
    const profile = JSON.parse(readFileSync(join(dir, 'profile.json'), 'utf8'));
    const [small, large] = profile.models;
    writeFileSync(
      edited,
      JSON.stringify({ ...profile, models: [small, { ...large, runtimes: { 'cpu-2': large.runtimes['cpu-1'] } }] }),
    );
    const load = command === 'plan' ? [] : ['--qps', '5', '--seconds', '1'];
    const attempt = run(command, dir, '--profile', edited, ...load);
    await expect(attempt).rejects.toThrow(
      'device cpu0 is of class cpu-1, for which the profile holds no runtimes of model large: run `cascade profile` again',
    );
  });

  test('reports on a constant load as a table', async () => {
    const { stdout } = await run('simulate', dir, '--qps', '200', '--seconds', '2');
    expect(stdout).toContain('seconds that met the SLO');
    expect(stdout).not.toContain('assumed');
  });

  test('assumes devices slower than profiled, and says so', async () => {
    const args = ['simulate', dir, '--qps', '200', '--seconds', '4'];
    const slow = [...args, '--slowdown', 'cpu0=3', '--slowdown', '2@1-3'];
    const { stdout } = await run(...slow);
    expect(stdout).toContain('assumed: cpu0 takes 3 times as long as profiled\n');
    expect(stdout).toContain('assumed: every device takes 2 times as long as profiled, from 1 s to 3 s\n');
    const asProfiled = JSON.parse((await run(...args, '--json', '-')).stdout);
    const report = JSON.parse((await run(...slow, '--json', '-')).stdout);
    expect(report.slowdowns).toEqual([
      { device: 'cpu0', factor: 3, fromSeconds: 0, toSeconds: null },
      { device: null, factor: 2, fromSeconds: 1, toSeconds: 3 },
    ]);
    expect(report.latencyMs.p95).toBeGreaterThan(asProfiled.latencyMs.p95);
    expect(report.completed).toBe(report.offered);
    expect(asProfiled.slowdowns).toBeUndefined();
  });

  test('refuses a slowdown of a device that is not in the plan', async () => {
    const attempt = run('simulate', dir, '--qps', '5', '--seconds', '2', '--slowdown', 'gpu=2');
    await expect(attempt).rejects.toThrow('--slowdown gpu=2: the plan has no device gpu; its devices are cpu0, cpu1');
  });

  test.each([
    [[], 'specify the load'],
    [['--qps', '5'], 'specify the load'],
    [['--trace', 't.csv', '--qps', '5'], 'leave out --qps'],
    [['--trace', '/nowhere.csv'], '--trace /nowhere.csv does not exist'],
  ])('refuses %j', async (args, message) => {
    const attempt = run('simulate', dir, ...args);
    await expect(attempt).rejects.toThrow(ConfigError);
    await expect(attempt).rejects.toThrow(message);
  });

  test('refuses a plan for other devices', async () => {
    const file = join(dir, 'foreign.json');
    const foreign = readFileSync(join(dir, 'plan.json'), 'utf8').replaceAll('cpu1', 'gpu7');
    writeFileSync(file, foreign);
    await expect(run('simulate', dir, '--plan', file, '--qps', '5', '--seconds', '1')).rejects.toThrow(
      `${file}: devices: "gpu7"`,
    );
  });
});
