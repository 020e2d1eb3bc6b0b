import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Deployment, deviceClass, type Load } from '../../../../../plans/domain/deployment/deployment.ts';
import { measuredMeanQps, rangeWeights } from '../../../../../plans/domain/deployment/range-weights.ts';
import { loadDeployment } from '../../../../../plans/domain/deployment/read-deployment.ts';
import { parseBytes, parseDurationMs } from '../../../../../plans/domain/deployment/units.ts';
import { DEFAULT_GEAR_RULE, PAPER_GEAR_RULE } from '../../../../../plans/policy/gear-choice.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'cascade-deployment-'));
  for (const name of ['a.onnx', 'b.onnx', 'x.npy', 'y.npy']) writeFileSync(join(dir, name), '');
});
afterAll(() => rmSync(dir, { recursive: true }));

const SMALLEST = `name: small
models: [ { name: a, file: a.onnx } ]
devices: [ { id: cpu0, kind: cpu, memory: 1GiB } ]
slo: { p95: 0.1s }
load: { qpsMax: 400 }
`;

function load(yaml: string): Deployment {
  writeFileSync(join(dir, 'deployment.yaml'), yaml);
  return loadDeployment(dir);
}

/** The lines of the error message, without the folder. */
function problems(yaml: string): string[] {
  try {
    load(yaml);
  } catch (error) {
    expect((error as Error).name).toBe('ConfigError');
    return (error as Error).message.replaceAll(`${dir}/`, '').replaceAll(dir, 'DIR').split('\n');
  }
  throw new Error('the deployment was accepted');
}

describe('loadDeployment', () => {
  it('fills in the defaults and converts units', () => {
    const deployment = load(SMALLEST);
    expect(deployment).toMatchObject({
      name: 'small',
      dir,
      file: join(dir, 'deployment.yaml'),
      models: [{ name: 'a', file: join(dir, 'a.onnx'), maxBatch: 64 }],
      certainty: 'margin',
      scores: 'logits',
      devices: [{ id: 'cpu0', kind: 'cpu', memoryBytes: 2 ** 30, host: 'local' }],
      slo: { type: 'latency', p95Ms: 100 },
      load: { qpsMax: 400, ranges: 16, distribution: { type: 'zipf', exponent: 1 } },
      nats: { servers: ['nats://127.0.0.1:4222'] },
      frontends: 1,
      prefix: 'cascade',
      deadlineMs: 1_500,
      gearRule: { ...DEFAULT_GEAR_RULE, backlogDrainMs: 50 },
    });
    expect(loadDeployment(join(dir, 'deployment.yaml'))).toEqual(deployment);
  });

  it.each([
    ['task: regression\ncertainty: { output: sure }', 'tolerance: is missing; task regression needs it'],
    ['task: regression\ntolerance: 1', 'certainty: margin is estimated from class scores, which task regression does not have'],
    ['tolerance: 1', 'tolerance: belongs to task regression; the task is classification'],
    ['task: custom\ncertainty: { output: sure }\ndata: { inputs: a.onnx }', 'data.quality: is missing; task custom needs it'],
    [
      'task: custom\ncertainty: { output: sure }\ndata: { inputs: a.onnx, quality: { b: a.onnx } }',
      'data.quality.b: is not a model; the models are a',
    ],
    ['data: { inputs: a.onnx, quality: a.onnx }', 'data.quality: belongs to task custom'],
    ['classes: [3, 3]', 'classes: ["3","3"] names a class twice'],
  ])('refuses options that do not fit the task: %s', (lines, message) => {
    expect(problems(`${SMALLEST}${lines}\n`).join('\n')).toContain(message);
  });

  it('stores requests only if told to, and then with defaults', () => {
    expect(load(SMALLEST).durable).toBeUndefined();
    const defaults = {
      maxRequests: 100_000,
      maxBytes: 256 * 2 ** 20,
      maxAgeMs: Number.POSITIVE_INFINITY,
      maxDeliver: 20,
      ackWaitMs: 10_000,
      inFlight: 512,
      keepAnswersMs: 3_600_000,
      storage: 'file',
      replicas: 1,
    };
    expect(load(`${SMALLEST}durable: {}\n`).durable).toEqual(defaults);
    const said = 'durable: { maxRequests: 5, maxBytes: 1MiB, maxAge: 1h, keepAnswers: never, storage: memory, ackWait: 2s }';
    expect(load(`${SMALLEST}${said}\n`).durable).toEqual({
      ...defaults,
      maxRequests: 5,
      maxBytes: 2 ** 20,
      maxAgeMs: 3_600_000,
      keepAnswersMs: 0,
      storage: 'memory',
      ackWaitMs: 2_000,
    });
    expect(problems(`${SMALLEST}durable: { storage: tape }\n`)[0]).toContain('durable.storage');
    expect(problems(`${SMALLEST}durable: { maxRequest: 5 }\n`)[0]).toContain('maxRequest');
  });

  it('audits answers only if told to, and then with defaults', () => {
    expect(load(SMALLEST).audit).toBeUndefined();
    expect(load(`${SMALLEST}audit: {}`).audit).toEqual({ share: 0.1, utilisation: 0.7, bound: 0.01, minSamples: 200 });
    expect(load(`${SMALLEST}audit: { share: 0.5 }`).audit).toMatchObject({ share: 0.5, bound: 0.01 });
    expect(problems(`${SMALLEST}audit: { share: 2 }`)[0]).toContain('audit.share');
  });

  it('reads every option', () => {
    const deployment = load(`${SMALLEST.replace('slo: { p95: 0.1s }', 'slo: { accuracy: 0.9 }')}
certainty: { output: sure }
inputs: { ids: { pad: 3 }, other: {} }
classes: [no, yes]
data: { inputs: { ids: x.npy }, labels: y.npy, validation: 0.25 }
nats: { servers: [nats://a, nats://b], user: u, password: p, nkeyFile: x.npy, inboxPrefix: _INBOX.u, replicas: 3, tls: { ca: x.npy } }
frontends: 2
prefix: my
deadline: 5s
`);
    expect(deployment).toMatchObject({
      certainty: { output: 'sure' },
      inputs: { ids: { pad: 3 }, other: {} },
      classes: ['no', 'yes'],
      data: { inputs: { ids: join(dir, 'x.npy') }, labels: join(dir, 'y.npy'), validation: 0.25, order: 'shuffled' },
      slo: { type: 'accuracy', accuracy: 0.9 },
      nats: {
        servers: ['nats://a', 'nats://b'],
        user: 'u',
        password: 'p',
        nkeyFile: join(dir, 'x.npy'),
        inboxPrefix: '_INBOX.u',
        replicas: 3,
        tls: { ca: join(dir, 'x.npy') },
      },
      deadlineMs: 5000,
    });
  });

  it('says where it looked for a missing model file', () => {
    const yaml = SMALLEST.replace('{ name: a, file: a.onnx }', '{ name: a, file: a.onnx }, { name: big, file: models/big.onnx }');
    expect(problems(yaml)).toEqual(['deployment.yaml:2:57 models[1].file: models/big.onnx does not exist (looked in DIR)']);
  });

  it('reports position, path and value of each problem, and what would be right', () => {
    const yaml = SMALLEST.replace('400', '0').replace('1GiB', '1GoB').replace('name: small', 'name: not small');
    expect(problems(yaml)).toEqual([
      expect.stringMatching(/^deployment\.yaml:1:7 name: "not small" cannot be a token of a NATS subject; use 1-64 letters/),
      expect.stringMatching(
        /^deployment\.yaml:3:43 devices\[0\]\.memory: "1GoB" is not an amount of memory.*write 512MiB or 1GiB/,
      ),
      expect.stringMatching(/^deployment\.yaml:5:17 load\.qpsMax: 0 is too small; must be above 0/),
    ]);
  });

  it.each([
    ['deadlineMs: 3', 'deployment.yaml:6:1 deadlineMs: unknown key; did you mean deadline?'],
    ['certanty: margin', 'deployment.yaml:6:1 certanty: unknown key; did you mean certainty?'],
    ['certainty: sure', 'deployment.yaml:6:12 certainty: "sure" is not a certainty estimator; write margin, logit-margin,'],
    ['classes: [one]', 'deployment.yaml:6:10 classes: ["one"] is too small; must be at least 2'],
    ['data: { inputs: 3 }', 'deployment.yaml:6:17 data.inputs: 3 does not name data; write'],
    ['frontends: many', 'deployment.yaml:6:12 frontends: "many" is not a number (Number of frontend processes that'],
    ['frontends: many', 'saves a hop); or write in-devices'],
    ['frontends: 0', 'deployment.yaml:6:12 frontends: 0 is too small; must be at least 1'],
    ['backlogDrain: soon', 'deployment.yaml:6:15 backlogDrain: "soon" is not a time above 0'],
    ['backlogDrain: soon', '; or write never'],
    ['deadline: 1h', 'deployment.yaml:6:11 deadline: 3600000 ms is too long; at most 600000 ms'],
    ['deadline: .inf', 'deployment.yaml:6:11 deadline: Infinity is not a time'],
    ['deadline: soon', 'deployment.yaml:6:11 deadline: "soon" is not a time above 0'],
    ['deadline: { max: 1h }', 'deployment.yaml:6:18 deadline.max: 3600000 ms is too long; at most 600000 ms'],
    ['deadline: { most: 1s }', 'deployment.yaml:6:13 deadline.most: unknown key'],
    [
      'deadline: { default: 20s, max: 10s }',
      'deployment.yaml:6:11 deadline: has a default that is longer than its max; write for example { default: 2s, max: 10s }',
    ],
    ['prepareTimeout: 1000h', 'prepareTimeout: 3600000000 ms is too long'],
    ['settle: 1e300', 'settle: 1e+300 ms is too long'],
    ['durable: { ackWait: 600h }', 'durable.ackWait: 2160000000 ms is too long'],
    ['durable: { maxAge: 1e300 }', 'durable.maxAge: 1e+300 ms is too long'],
    ['classes: *names', 'deployment.yaml not valid YAML: an alias (*name) cannot be resolved'],
    ['classes: &names [*names]', 'deployment.yaml not valid YAML: an alias (*name) cannot be resolved'],
    ['name: again', 'deployment.yaml:6:1 not valid YAML: Map keys must be unique'],
  ])('refuses %s', (line, message) => {
    expect(problems(`${SMALLEST}${line}\n`)[0]).toContain(message);
  });

  it.each([
    ['{ id: cpu0, kind: gpu, memory: 1GiB }', 'devices[0].kind: "gpu" is not one of cpu, cuda, emulated, remote'],
    ['{ id: cpu0, kind: cpu }', 'devices[0].memory: is missing (Memory for model replicas'],
    [
      '{ id: cpu0, kind: cpu, memory: 1GiB, deviceId: 1 }',
      'devices[0].deviceId: unknown key; known here: kind, id, memory, host, cores',
    ],
    ['{ id: cpu0, kind: cpu, memory: 1GiB, cores: [1, 1] }', 'devices[0].cores: [1,1] names a core twice; name each once'],
  ])('refuses the device %s', (device, message) => {
    expect(problems(SMALLEST.replace('{ id: cpu0, kind: cpu, memory: 1GiB }', device))[0]).toContain(message);
  });

  it.each([
    ['slo: { p95: 100ms }', 1_500],
    ['slo: { p95: 400ms }', 4_000],
    ['slo: { p95: 20s }', 30_000],
    ['slo: { accuracy: 0.9 }', 30_000],
    ['slo: { p95: 100ms }\ndeadline: 250ms', 250],
    ['slo: { p95: 100ms }\ndeadline: 1m', 60_000],
    ['slo: { p95: 100ms }\ndeadline: { default: 2s }', 2_000],
    ['slo: { p95: 100ms }\ndeadline: { max: 10s }', 1_500],
    ['slo: { p95: 100ms }\ndeadline: { max: 1s }', 1_000],
  ])('has a deadline proportional to the latency SLO, unless it names one: %s', (slo, deadlineMs) => {
    expect(load(SMALLEST.replace('slo: { p95: 0.1s }', slo)).deadlineMs).toBe(deadlineMs);
  });

  it('has a maximum deadline that requests may ask for', () => {
    expect(load(SMALLEST).maxDeadlineMs).toBe(600_000);
    expect(load(`${SMALLEST}deadline: 5s\n`).maxDeadlineMs).toBe(600_000);
    expect(load(`${SMALLEST}deadline: { max: 10s }\n`).maxDeadlineMs).toBe(10_000);
  });

  it('refuses duplicate names', () => {
    const yaml = SMALLEST.replace('{ name: a, file: a.onnx }', '{ name: a, file: a.onnx }, { name: a, file: b.onnx }');
    expect(problems(yaml)).toEqual(['deployment.yaml:2:46 models[1].name: "a" is already the name of models[0]']);
  });

  it.each(['slo: {}', 'slo: { p95: 10, accuracy: 0.5 }'])('asks for exactly one objective: %s', (slo) => {
    expect(problems(SMALLEST.replace('slo: { p95: 0.1s }', slo))[0]).toContain('slo: must hold exactly one of p95 and accuracy');
  });

  it.each([
    ['', 'slo: is missing'],
    ['slo:', 'slo: null is not a mapping'],
    ['slo: fast', 'slo: "fast" is not a mapping'],
    ['slo: { p95: 10 }\nload: { qpsMax: 1, distribution: }', 'load.distribution: null is not a mapping'],
  ])('needs an objective and a distribution: %j', (given, message) => {
    const yaml = SMALLEST.replace('slo: { p95: 0.1s }', given);
    expect(problems(given.includes('load:') ? yaml.replace('load: { qpsMax: 400 }\n', '') : yaml).join('\n')).toContain(message);
  });

  it.each(['[1e999, 1]', '{ "qpsMax": 1e999, "weights": [1] }'])('refuses the histogram %s', (text) => {
    writeFileSync(join(dir, 'endless.json'), text);
    const yaml = SMALLEST.replace('qpsMax: 400', 'qpsMax: 400, distribution: { histogram: endless.json }');
    expect(problems(yaml)[0]).toContain('load.distribution.histogram: endless.json ');
  });

  it('says how to name a deployment if the file is missing', () => {
    expect(() => loadDeployment(join(dir, 'nowhere.yaml'))).toThrow(/nowhere\.yaml does not exist; name a deployment file/);
    expect(() => loadDeployment(join(dir, 'a.onnx', 'nowhere.yaml'))).toThrow(/nowhere\.yaml does not exist/);
  });

  it('offers the gear rule of the paper, and refuses windows that it cannot measure', () => {
    const paper = `${SMALLEST}\nalpha: 8\nbacklogDrain: never\nloadWindow: 100ms\nnoiseBand: 0\nsettle: none\nmeasuredSpeed: false\n`;
    expect(load(paper).gearRule).toEqual(PAPER_GEAR_RULE);
    expect(() => load(`${SMALLEST}\nloadWindow: 50ms\n`)).toThrow(/loadWindow: 50 ms is not from 100 ms to 10000 ms/);
  });

  it('reads a measured histogram from a file', () => {
    writeFileSync(join(dir, 'seen.json'), '{ "qpsMax": 800, "weights": [3, 1] }');
    const deployment = load(SMALLEST.replace('qpsMax: 400', 'qpsMax: 400, ranges: 2, distribution: { histogram: seen.json }'));
    expect(rangeWeights(deployment.load)).toEqual([0.375, 0.625]);
  });
});

describe('rangeWeights', () => {
  const zipf = (ranges: number, exponent: number): Load => ({ qpsMax: 100, ranges, distribution: { type: 'zipf', exponent } });

  it('makes low loads common', () => {
    expect(rangeWeights(zipf(3, 1))).toEqual([6 / 11, 3 / 11, 2 / 11].map((w) => expect.closeTo(w, 12)));
    expect(rangeWeights(zipf(4, 0))).toEqual([0.25, 0.25, 0.25, 0.25]);
  });

  it('sums to 1 for every distribution', () => {
    const measured = fc.record({
      qpsMax: fc.integer({ min: 1, max: 10_000 }),
      ranges: fc.integer({ min: 1, max: 40 }),
      distribution: fc.record({
        type: fc.constant('histogram' as const),
        qpsMax: fc.integer({ min: 1, max: 10_000 }),
        weights: fc.array(fc.double({ min: 0.001, max: 1000, noNaN: true }), { minLength: 1, maxLength: 40 }),
      }),
    });
    fc.assert(
      fc.property(measured, (load) => {
        const weights = rangeWeights(load);
        expect(weights).toHaveLength(load.ranges);
        expect(weights.every((w) => w >= 0)).toBe(true);
        expect(weights.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
      }),
    );
  });

  it.each([
    [
      [1e308, 1e308],
      [0.5, 0.5],
    ],
    [
      [5e-324, 0],
      [1, 0],
    ],
    [
      [1e308, 5e-324],
      [1, 0],
    ],
  ])('takes a histogram of extreme weights %j', (weights, expected) => {
    const distribution = { type: 'histogram', qpsMax: 40, weights } as const;
    expect(rangeWeights({ qpsMax: 40, ranges: 2, distribution })).toEqual(expected);
    expect(rangeWeights({ qpsMax: 40, ranges: 4, distribution }).reduce((a, b) => a + b)).toBeCloseTo(1, 9);
  });

  it('knows the mean of a histogram better than by the ranges of the plan', () => {
    const weights = new Array<number>(100).fill(0);
    weights[1] = 9;
    weights[10] = 1;
    const load: Load = { qpsMax: 800, ranges: 8, distribution: { type: 'histogram', qpsMax: 800, weights } };
    expect(rangeWeights(load)[0]).toBe(1);
    expect(measuredMeanQps(load)).toBeCloseTo(0.9 * 12 + 0.1 * 84, 9);
    expect(measuredMeanQps({ distribution: { type: 'histogram', qpsMax: 40, weights: [1e308, 1e308] } })).toBe(20);
    expect(measuredMeanQps({ distribution: { type: 'zipf', exponent: 1 } })).toBeUndefined();
  });

  it('keeps a histogram of the same ranges as it is', () => {
    const weights = [1, 5, 2, 2];
    const load: Load = { qpsMax: 40, ranges: 4, distribution: { type: 'histogram', qpsMax: 40, weights } };
    expect(rangeWeights(load)).toEqual([0.1, 0.5, 0.2, 0.2]);
  });
});

describe('deviceClass', () => {
  const base = { id: 'd', memoryBytes: 1, host: 'local' };
  it('identifies the hardware that profiled runtimes apply to', () => {
    expect(deviceClass({ ...base, kind: 'cpu', cores: [3, 5] })).toBe('cpu-2');
    expect(deviceClass({ ...base, kind: 'cpu', cores: undefined })).toBe('cpu-1');
    expect(deviceClass({ ...base, kind: 'cuda', deviceId: 7 })).toBe('cuda');
    expect(deviceClass({ ...base, kind: 'emulated', like: 'cuda' })).toBe('emulated:cuda');
  });
});

describe('units', () => {
  it.each([
    ['100ms', 100],
    ['0.1s', 100],
    ['2 min', 120_000],
    [250, 250],
    ['250', 250],
  ])('%s is %d ms', (text, ms) => expect(parseDurationMs(text)).toBe(ms));
  it.each([
    ['1GiB', 2 ** 30],
    ['512 MiB', 2 ** 29],
    ['2gb', 2e9],
    [1024, 1024],
  ])('%s is %d bytes', (text, bytes) => expect(parseBytes(text)).toBe(bytes));
  it.each(['', 'ms', '1 fortnight', '-1s', '1e3s', '0x10'])('%j is not a duration', (text) =>
    expect(parseDurationMs(text)).toBeUndefined(),
  );
});
