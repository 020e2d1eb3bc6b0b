import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { gearPlanSchema } from '../../plans/domain/gear-plan/gear-plan.ts';
import type { Report } from '../../plans/report/report.ts';
import { writeImageFamily } from '../fixtures/image-family.ts';
import { COMMAND, runCascade, startCascade, startCommand } from '../support/cascade.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { alive, descendants } from '../support/processes.ts';

/** The messages and exit codes of commands when something is wrong: they name file, field and value, and what would be right. */

const OK = 0;
const ELSE = 1;
const USAGE = 2;
const INFEASIBLE = 3;

const folder = mkdtempSync(join(tmpdir(), 'cascade-command-'));
const at = (...path: string[]): string => join(folder, ...path);
/** Profiled and planned; the others are copies with a mistake. */
const image = at('image');
const imageWithTrace = (trace: string): string[] => ['simulate', image, '--trace', at(trace)];
const LOAD = ['--qps', '5', '--seconds', '1'];

let server: NatsServer;
/** Nobody listens here. */
let nowhere: string;

beforeAll(async () => {
  writeImageFamily(image);
  [server, nowhere] = await Promise.all([startNatsServer(), freePort().then((port) => `nats://127.0.0.1:${port}`)]);
  mkdirSync(at('empty'));
  variant('no-profile', () => undefined);
  for (const args of [
    ['profile', image, '--quick'],
    ['plan', image],
  ]) {
    const { code, stderr } = await runCascade(args);
    expect(code, stderr).toBe(OK);
  }
  variant('no-plan', (dir) => rmSync(join(dir, 'plan.json')));
  variant('other-model', (dir) => cpSync(join(dir, 'look.onnx'), join(dir, 'study.onnx')));
  variant('torn-profile', (dir) => writeFileSync(join(dir, 'profile.json'), '{ "schema": 1, "deploy'));
  variant('other-name', (dir) => edit(join(dir, 'deployment.yaml'), 'name: image', 'name: picture'));
  variant('foreign-plan', (dir) => edit(join(dir, 'plan.json'), '"deployment": "image"', '"deployment": "picture"'));
  variant('hasty', (dir) => appendFileSync(join(dir, 'deployment.yaml'), 'deadline: 3s\n'));
  variant('no-model', (dir) => edit(join(dir, 'deployment.yaml'), 'file: look.onnx', 'file: looks.onnx'));
  variant('wrong-fields', (dir) => {
    const file = join(dir, 'deployment.yaml');
    edit(file, 'qpsMax: 200', 'qpsMax: none');
    appendFileSync(file, 'modles: []\n');
  });
  variant('other-core', (dir) => edit(join(dir, 'deployment.yaml'), 'cores: [0]', 'cores: [4095]'));
  variant('not-yaml', (dir) => appendFileSync(join(dir, 'deployment.yaml'), 'classes: [a, b\n'));
  writeFileSync(at('bad-second.csv'), 'second,qps\n0,5\nnow,6\n');
  writeFileSync(at('bad-header.csv'), 'time,load\n0,5\n');
});

afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true });
});

function variant(name: string, change: (dir: string) => void): void {
  cpSync(image, at(name), { recursive: true });
  change(at(name));
}

function edit(file: string, from: string, to: string): void {
  const text = readFileSync(file, 'utf8');
  expect(text).toContain(from);
  writeFileSync(file, text.replace(from, to));
}

type Case = readonly [what: string, args: () => readonly string[], code: number, words: readonly string[]];

const CASES: readonly Case[] = [
  ['an unknown command', () => ['nosuch'], USAGE, ["unknown command 'nosuch'", '--help']],
  ['a misspelt command', () => ['profil'], USAGE, ['Did you mean profile?']],
  ['a misspelt option', () => ['plan', image, '--p59', '100'], USAGE, ["unknown option '--p59'", 'Did you mean --p95?']],
  ['no deployment', () => ['plan'], USAGE, ["missing required argument 'deployment'", '--help']],
  ['one argument too many', () => ['status', image, 'twice'], USAGE, ['too many arguments']],
  ['a value out of range', () => ['plan', image, '--accuracy', '92'], USAGE, ['--accuracy', '92', 'from 0 to 1']],
  ['two goals', () => ['plan', image, '--p95', '9', '--accuracy', '0.9'], USAGE, ['--p95 and --accuracy', 'leave one out']],
  ['a load without its length', () => ['simulate', image, '--qps', '5'], USAGE, ['--qps Q --seconds N', '--trace FILE']],
  ['a load given twice', () => [...imageWithTrace('bad-second.csv'), '--qps', '5'], USAGE, ['leave out --qps']],
  ['an unknown role', () => ['serve', image, '--role', 'boss'], USAGE, ["'boss'", 'all, frontend, controller, host, device']],
  ['a device role without a device', () => ['serve', image, '--role', 'device'], USAGE, ['needs --device <id>']],
  ['a core that does not exist', () => ['serve', at('other-core')], USAGE, ['device cpu0: cores: 4095 is not available here']],
  ['a host without devices', () => ['serve', image, '--host', 'mars'], USAGE, ['--host mars', 'its devices are on local']],

  ['a missing deployment', () => ['profile', at('absent')], USAGE, [at('absent'), 'name a deployment file']],
  [
    'a deployment with wrong fields',
    () => ['profile', at('wrong-fields')],
    USAGE,
    ['deployment.yaml:10:17 load.qpsMax: "none" is not a number', ':11:1 modles: unknown key; did you mean models?'],
  ],
  [
    'a missing model file',
    () => ['profile', at('no-model')],
    USAGE,
    ['no-model/deployment.yaml:4:', 'models[1].file', 'looks.onnx does not exist', 'no-model)'],
  ],
  [
    'a deployment that is not YAML',
    () => ['plan', at('not-yaml')],
    USAGE,
    ['not-yaml/deployment.yaml:12:1 not valid YAML', 'end with a ]'],
  ],
  ['an init of a missing folder', () => ['init', at('absent')], USAGE, [`${at('absent')} does not exist; name the folder`]],
  ['an init without models', () => ['init', at('empty')], USAGE, ['holds no .onnx files']],
  ['an init over a deployment', () => ['init', image], USAGE, ['image/deployment.yaml already exists', '--force']],

  ['no profile', () => ['plan', at('no-profile')], USAGE, ['no-profile/profile.json does not exist', '`cascade profile`']],
  ['half a profile', () => ['plan', at('torn-profile')], USAGE, ['torn-profile/profile.json', 'run `cascade profile` again']],
  [
    'a profile of other models',
    () => ['plan', at('other-model')],
    USAGE,
    ['other-model/profile.json was measured with different models', 'run `cascade profile` again'],
  ],
  ['no plan', () => ['serve', at('no-plan')], USAGE, ['no-plan/plan.json does not exist', 'make it with `cascade plan`']],
  ['no plan', () => ['simulate', at('no-plan'), ...LOAD], USAGE, ['no-plan/plan.json', 'make it with `cascade plan`']],
  [
    'an invalid plan',
    () => ['serve', image, '--plan', join(image, 'profile.json')],
    USAGE,
    ['not a gear plan', 'slo: is missing'],
  ],
  [
    'a plan of another deployment',
    () => ['serve', at('foreign-plan')],
    USAGE,
    ['foreign-plan/plan.json: deployment: "picture", not image', 'run `cascade plan` again'],
  ],
  ['a plan of another deployment', () => ['simulate', at('foreign-plan'), ...LOAD], USAGE, ['picture', '`cascade plan` again']],

  ['a trace with a bad line', () => imageWithTrace('bad-second.csv'), USAGE, [`${at('bad-second.csv')}:3:`, 'second now']],
  ['a trace with other columns', () => imageWithTrace('bad-header.csv'), USAGE, ['bad-header.csv:1:', 'second,qps']],
  [
    'a log with a bad time stamp',
    () => ['trace', 'import', at('bad-second.csv'), '--format', 'timestamps', '--column', 'second'],
    USAGE,
    [`${at('bad-second.csv')}:3: second "now" is not a time stamp`],
  ],
  ['a missing log', () => ['trace', 'import', at('absent.csv')], USAGE, ['absent.csv: cannot be read', 'ENOENT']],
  [
    'a made-up trace of one rate',
    () => ['trace', 'make', 'mmpp', '--rates', '5'],
    USAGE,
    ['--rates', "'5'", 'two rates or more'],
  ],
  ['a goal without a search', () => ['load', image, ...LOAD, '--share', '0.9'], USAGE, ['--share is only for --find-max']],
  ['a search along a trace', () => ['load', image, '--find-max', '--trace', 'x'], USAGE, ['--find-max', '--trace']],
  ['a missing trace', () => imageWithTrace('absent.csv'), USAGE, ['--trace', 'absent.csv', 'does not exist']],

  [
    'a profile that cannot be written',
    () => ['profile', image, '--quick', '--out', at('absent', 'p')],
    USAGE,
    ['--out', 'absent/p', 'cannot be written'],
  ],
  [
    'a plan that cannot be written',
    () => ['plan', image, '--out', at('absent', 'p')],
    USAGE,
    ['--out', 'absent/p', 'cannot be written'],
  ],
  [
    'a report that cannot be written',
    () => ['simulate', image, ...LOAD, '--json', at('absent', 'r')],
    USAGE,
    ['--json', 'absent/r'],
  ],

  ['more ranges than there may be', () => ['plan', image, '--ranges', '1e6'], USAGE, ['--ranges', 'from 1 to 1024']],
  ['a load beyond memory', () => ['simulate', image, '--qps', '1e12', '--seconds', '1'], USAGE, ['1000000000000 requests']],

  ['serve without NATS', () => ['serve', image, '--nats', nowhere], USAGE, ['no NATS server answers at nats://127.0.0.1:']],
  [
    'load without NATS',
    () => ['load', image, ...LOAD, '--nats', nowhere],
    USAGE,
    ['no NATS server answers at nats://127.0.0.1:'],
  ],
  ['status without NATS', () => ['status', image, '--nats', nowhere], USAGE, ['no NATS server answers at nats://127.0.0.1:']],
  ['demo without NATS', () => ['demo', '--nats', nowhere], USAGE, ['no NATS server answers at nats://127.0.0.1:']],
  ['an invalid address', () => ['status', image, '--nats', 'here, there'], USAGE, ['cannot connect to NATS at here, there']],
  [
    'the status of a deployment that is not running',
    () => ['status', image, '--nats', server.url],
    ELSE,
    ['nobody serves image at nats://127.0.0.1:', '`cascade serve`'],
  ],
];

describe.concurrent('says what is wrong and what would be right', () => {
  test.each(CASES)('%s', async (_what, args, code, words) => {
    const end = await runCascade(args());
    for (const word of words) expect(end.stderr).toContain(word);
    expect(end.code).toBe(code);
    // Only a defect prints a stack.
    expect(end.stderr).not.toMatch(/^ {4}at /m);
  });
});

describe.concurrent('an infeasible plan', () => {
  test('ends with exit code 3 and says where, which model, why, and what to try', async () => {
    const { code, stdout, stderr } = await runCascade(['plan', image, '--p95', '0.01', '--out', at('never.json'), '--json', '-']);
    expect(code).toBe(INFEASIBLE);
    expect(stderr).toMatch(
      /no plan meets p95 <= 0\.01 ms on 1 device\n {2}where: \d+ to \d+ requests\/s, model (glance|look|study)\n/,
    );
    expect(stderr).toMatch(
      /why: +\S.*\n {2}best: +\S.*\n {2}try: +not more devices \(up to \d+ of them would not do\), but a laxer SLO/,
    );
    expect(JSON.parse(stdout)).toMatchObject({ type: 'infeasible', qpsRange: [expect.any(Number), expect.any(Number)] });
  });
});

describe.concurrent('--json - writes only JSON to stdout', () => {
  test('for plan', async () => {
    const { code, stdout } = await runCascade(['plan', image, '--out', at('other.json'), '--json', '-']);
    expect(code).toBe(OK);
    expect(gearPlanSchema.parse(JSON.parse(stdout))).toEqual(JSON.parse(readFileSync(at('other.json'), 'utf8')));
  });

  test('for simulate', async () => {
    const { code, stdout } = await runCascade(['simulate', image, ...LOAD, '--json', '-']);
    expect(code).toBe(OK);
    expect((JSON.parse(stdout) as Report).seconds).toBe(1);
  });

  test('for profile', async () => {
    const { code, stdout } = await runCascade(['profile', image, '--quick', '--out', at('other-profile.json'), '--json', '-']);
    expect(code).toBe(OK);
    expect(JSON.parse(stdout)).toMatchObject({ file: at('other-profile.json'), deployment: 'image', samples: 200 });
  });
});

test('a load on a deployment that is not running says so at once, counts every request as an error, and fails', async () => {
  const { code, stdout, stderr } = await runCascade(['load', at('hasty'), ...LOAD, '--nats', server.url, '--json', '-']);
  expect(code, stderr).toBe(ELSE);
  const report = JSON.parse(stdout) as Report;
  expect(report).toMatchObject({ completed: 0, errors: report.offered, accuracy: null, gearSwitches: null });
  expect(stderr).toContain('warning: no answer on cascade.image.control.status');
  expect(stderr).toContain(`${report.offered} x UNAVAILABLE: nobody listens on cascade.image.infer`);
  expect(stderr).toContain(`none of ${report.offered} requests was completed`);
});

test('--help lists every command, on stdout, and is no error', async () => {
  const overview = await runCascade(['--help']);
  expect(overview).toMatchObject({ code: OK, stderr: '' });
  const commands = [...overview.stdout.matchAll(/^ {2}([a-z-]+) \[options\]/gm)].map(([, name]) => name);
  expect(commands).toEqual(expect.arrayContaining(['demo', 'init', 'profile', 'plan', 'simulate', 'serve', 'load', 'status']));
  const pages = await Promise.all(commands.map((command) => runCascade([command, '--help'])));
  pages.forEach((page, i) => {
    expect(page).toMatchObject({ code: OK, stderr: '' });
    expect(page.stdout).toContain(`Usage: cascade ${commands[i]} [options]`);
  });
});

test('a reader that closes the output early gets no error', async () => {
  const { stdout, stderr } = await startCommand('sh', ['-c', `"${process.execPath}" "${COMMAND}" options | true`]).ended;
  expect({ stdout, stderr }).toEqual({ stdout: '', stderr: '' });
});

test('a profile whose command is killed stops measuring, and prints no error', async () => {
  const command = startCascade(['profile', image, '--out', at('killed.json')]);
  await eventually(() => expect(command.stderr()).toContain('measuring'));
  const started = descendants(command.process.pid!);
  expect(started).toEqual([expect.objectContaining({ command: expect.stringContaining('measure-process') })]);
  command.process.kill('SIGKILL');
  // Its stderr ends when every process that writes to it has ended.
  const { stderr } = await command.ended;
  await eventually(() => expect(alive(started)).toEqual([]));
  expect(stderr).not.toMatch(/error/i);
});
