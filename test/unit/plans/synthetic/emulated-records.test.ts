import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { profileDeployment } from '../../../../plans/commands/profile.ts';
import { loadLabelledData } from '../../../../plans/data/load-labelled-data.ts';
import { splitDigest } from '../../../../plans/data/split.ts';
import { loadDeployment } from '../../../../plans/domain/deployment/read-deployment.ts';
import { accuracyOf, type Profile } from '../../../../plans/domain/profile/profile.ts';
import { profileIsCurrent } from '../../../../plans/domain/profile/profile-file.ts';
import { emulatedModels, recordFinder } from '../../../../plans/synthetic/emulated-records.ts';
import { writeImageFamily } from '../../../fixtures/image-family.ts';

const dir = mkdtempSync(join(tmpdir(), 'cascade-emulated-'));
afterAll(() => rmSync(dir, { recursive: true }));

const MADE_UP = `name: made-up
synthetic:
  models:
    - { name: small, accuracy: 0.8, fixed: 1ms, perSample: 0.5ms, memory: 1GB }
    - { name: large, accuracy: 0.9, fixed: 5ms, perSample: 2ms, memory: 4GB }
  samples: 500
  batches: [1, 8]
devices: [ { id: g0, kind: emulated, like: gpu, memory: 16GB } ]
slo: { p95: 100ms }
load: { qpsMax: 100 }
`;

function written(yaml: string) {
  const file = join(dir, 'deployment.yaml');
  writeFileSync(file, yaml);
  return loadDeployment(file);
}

describe('a synthetic deployment', () => {
  test('has a profile with the figures it names, and the profile notices when they change', async () => {
    const deployment = written(MADE_UP);
    const profile = await profileDeployment(deployment);
    expect(profile).toMatchObject({
      synthetic: true,
      deployment: 'made-up',
      classes: 2,
      inputs: [{ name: 'sample', dtype: 'int32' }],
    });
    expect(profile.models.map((model) => accuracyOf(model))).toEqual([0.8, 0.9]);
    expect(profile.models[1].runtimes['emulated:gpu']).toEqual({ batch: [1, 8], ms: [7, 21] });
    expect(profileIsCurrent(deployment, profile)).toBe(true);
    expect(profileIsCurrent(written(MADE_UP.replace('0.9', '0.91')), profile)).toBe(false);
  });

  test('answers each of its own samples with its own record', async () => {
    const deployment = written(MADE_UP);
    const profile = await profileDeployment(deployment);
    const data = loadLabelledData(deployment);
    const recordOf = recordFinder(deployment, profile);
    const [, large] = emulatedModels(profile, 'emulated:gpu');
    expect(data.load).toEqual(Int32Array.from({ length: 500 }, (_, i) => i));
    let right = 0;
    for (let i = 0; i < data.count; i++) {
      const record = recordOf(data.sample(i));
      expect(large.auxiliaryOf(record)).toBe(profile.models[1].certainties[i]);
      if (large.labelOf(record) === data.labels?.[i]) right++;
    }
    expect(right / data.count).toBe(0.9);
    expect(large.runtimeMs(Array.from({ length: 8 }, (_, i) => data.sample(i)))).toBe(21);
  });

  test('a sample beyond the records is answered with one of them', async () => {
    const deployment = written(MADE_UP);
    const recordOf = recordFinder(deployment, await profileDeployment(deployment));
    for (const index of [500, 12_345, -1]) {
      const record = recordOf([{ data: new Uint8Array(Int32Array.of(index).buffer), shape: [1] }]);
      expect(record).toBeGreaterThanOrEqual(0);
      expect(record).toBeLessThan(500);
    }
  });

  test.each([
    ['kind: emulated, like: gpu', 'kind: cpu', 'devices[0].kind: cpu cannot run a synthetic family'],
    ['slo:', 'classes: [a, b, c]\nslo:', 'classes: names 3 classes; synthetic.classes says 2'],
    ['load:', 'data: { inputs: x.npy }\nload:', 'data: a synthetic family makes its own samples'],
    ['[1, 8]', '[8, 1]', 'synthetic.batches: must ascend'],
    ['name: large', 'name: small', 'synthetic.models[1].name: "small" is already the name'],
    ['load:', 'models: [ { name: a, file: a.onnx } ]\nload:', 'models: must hold exactly one of models'],
  ])('is refused with %s as %s', (before, after, message) => {
    expect(() => written(MADE_UP.replace(before, after))).toThrow(message);
  });

  test.each(['bert-like', 'llama-like'])('%s comes with the package, on 16 emulated devices', (name) => {
    const deployment = loadDeployment(join('conf', 'synthetic', name));
    expect(deployment.name).toBe(name);
    expect(deployment.devices).toHaveLength(16);
    expect(new Set(deployment.devices.map(({ kind }) => kind))).toEqual(new Set(['emulated']));
  });
});

describe('a real family on emulated devices', () => {
  const real = loadDeployment(writeImageFamily(join(dir, 'image')));
  const deployment = {
    ...real,
    devices: [{ id: 'e0', kind: 'emulated', like: 'cpu-1', memoryBytes: 1e9, host: 'local' }] as const,
  };
  const data = loadLabelledData(deployment);
  const profile = {
    labels: new Int32Array(data.validation.length),
    inputs: data.specs,
    split: splitDigest(data),
  } as unknown as Profile;
  const recordOf = recordFinder(deployment, profile);

  test('is loaded with the recorded samples, and recognises them by their bytes', () => {
    expect(data.load).toEqual(data.validation);
    data.load.forEach((index, record) => {
      const copy = data.sample(index).map(({ data: bytes, shape }) => ({ data: bytes.slice(), shape }));
      expect(recordOf(copy)).toBe(record);
    });
  });

  test('is not answered from a profile recorded on other samples', () => {
    expect(() => recordFinder(deployment, { ...profile, split: 'other' })).toThrow(
      'was recorded on other samples of the data; run `cascade profile` again',
    );
  });

  test('answers an unknown sample with some record, always the same', () => {
    const unknown = data.sample(0).map(({ data: bytes, shape }) => ({ data: new Uint8Array(bytes.length).fill(7), shape }));
    const record = recordOf(unknown);
    expect(record).toBeGreaterThanOrEqual(0);
    expect(record).toBeLessThan(profile.labels.length);
    expect(recordOf(unknown)).toBe(record);
  });
});
