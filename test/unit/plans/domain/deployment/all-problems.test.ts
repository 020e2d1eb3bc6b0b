import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadDeployment, readDeployment } from '../../../../../plans/domain/deployment/read-deployment.ts';

const dir = mkdtempSync(join(tmpdir(), 'cascade-problems-'));
afterAll(() => rmSync(dir, { recursive: true }));
writeFileSync(join(dir, 'there.onnx'), '');
const LOOKED_IN = `(looked in ${dir})`;

function written(text: string): string {
  const file = join(dir, 'deployment.yaml');
  writeFileSync(file, text);
  return file;
}

test('a wrong field does not hide other mistakes, and each is reported at its position in the file', () => {
  const file = written(`name: all
models:
  - { name: bad name, file: there.onnx }
  - { name: gone, file: gone.onnx }
  - { name: here, file: there.onnx, maxBatch: 0 }
  - { name: lost, file: lost.onnx }
data: { inputs: { x: x.npy }, valdation: 0.5 }
devices: [ { id: cpu0, kind: gpu, memory: 1GiB } ]
slo: { p95: soon }
load: { qpsMax: "\${CASCADE_TEST_UNSET}" }
`);
  const { deployment, problems } = readDeployment(file);
  expect(problems.map((problem) => problem.replace(`${file}:`, ''))).toEqual([
    '10:17 load.qpsMax: the environment variable CASCADE_TEST_UNSET is not set; set it, or write the value',
    '3:13 models[0].name: "bad name" cannot be a token of a NATS subject; use 1-64 letters, digits, _ or -',
    '5:47 models[2].maxBatch: 0 is too small; must be at least 1 (Largest batch to profile and to run (samples))',
    '7:31 data.valdation: unknown key; did you mean validation? known here: inputs, labels, quality, validation, order',
    '8:30 devices[0].kind: "gpu" is not one of cpu, cuda, emulated, remote',
    '9:13 slo.p95: "soon" is not a time above 0; write 100ms, 0.1s, or milliseconds',
    `4:25 models[1].file: gone.onnx does not exist ${LOOKED_IN}`,
    `6:25 models[3].file: lost.onnx does not exist ${LOOKED_IN}`,
    `7:22 data.inputs.x: x.npy does not exist ${LOOKED_IN}`,
  ]);
  expect(deployment).toMatchObject({ name: 'all', models: [{ name: 'gone' }, { name: 'here', maxBatch: 64 }, { name: 'lost' }] });
  expect(() => loadDeployment(file)).toThrow(problems.join('\n'));
});

test('a file that is empty or not a mapping has a problem and no deployment', () => {
  for (const text of ['', '3', '- a', 'null', 'name: [a]\n', 'models: { a: b }\nsynthetic: 1\n']) {
    const { deployment, problems } = readDeployment(written(text));
    expect(problems.length, text).toBeGreaterThan(0);
    expect(deployment, text).toBeUndefined();
  }
});

test('a variable stands for a number where a number is wanted, and for text elsewhere', () => {
  const { CASCADE_TEST_QPS, CASCADE_TEST_CORE, CASCADE_TEST_NAME } = process.env;
  Object.assign(process.env, { CASCADE_TEST_QPS: '500', CASCADE_TEST_CORE: '0', CASCADE_TEST_NAME: '007' });
  try {
    const file = written(`name: \${CASCADE_TEST_NAME}
frontends: \${CASCADE_TEST_CORE}1
models: [ { name: a, file: there.onnx } ]
data: { inputs: { x: there.onnx }, labels: there.onnx }
devices: [ { id: d0, kind: cpu, cores: [ "\${CASCADE_TEST_CORE}" ], memory: 1GiB } ]
slo: { p95: 100ms }
load:
  qpsMax: \${CASCADE_TEST_QPS}
  ranges: \${CASCADE_TEST_NAME}
  distribution: { histogram: [ "\${CASCADE_TEST_QPS}", "\${CASCADE_TEST_NAME}" ] }
`);
    const { problems } = readDeployment(file);
    expect(problems.map((problem) => problem.replace(`${file}:`, ''))).toEqual([expect.stringMatching(/^2:12 frontends: /)]);
    const { name, load, devices } = loadDeployment(written(readFileSync(file, 'utf8').replace(/^frontends.*\n/m, '')));
    expect({ name, load, cores: (devices[0] as { cores?: unknown }).cores }).toMatchObject({
      name: '007',
      load: { qpsMax: 500, ranges: 7, distribution: { weights: [500, 7] } },
      cores: [0],
    });
    process.env.CASCADE_TEST_QPS = '-5';
    const wrong = readDeployment(file).problems.map((problem) => problem.replace(/^.*? /, ''));
    expect(wrong).toContainEqual(expect.stringMatching(/^load.qpsMax: -5 is too small/));
    process.env.CASCADE_TEST_NAME = '1.5';
    expect(readDeployment(file).problems.join()).toContain('name: "1.5" cannot be a token of a NATS subject');
  } finally {
    restore({ CASCADE_TEST_QPS, CASCADE_TEST_CORE, CASCADE_TEST_NAME });
  }
});

function restore(environment: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}
