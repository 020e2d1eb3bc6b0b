import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadLabelledData } from '../../../plans/data/labelled-data.ts';
import { draftDeployment } from '../../../plans/deployment/draft.ts';
import { type Deployment, loadDeployment } from '../../../plans/deployment.ts';
import { writeImageFamily } from '../../fixtures/image-family.ts';
import { npyFile } from '../../fixtures/npy-writer.ts';
import { writeTextFamily } from '../../fixtures/text-family.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'cascade-draft-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

function drafted(folder: string): { deployment: Deployment; notes: readonly string[] } {
  const { yaml, notes } = draftDeployment(folder);
  writeFileSync(join(folder, 'deployment.yaml'), yaml);
  return { deployment: loadDeployment(folder), notes };
}

describe('draftDeployment', () => {
  it('finds models, cheapest first, and JSON lines; pads ragged inputs', () => {
    writeTextFamily(join(dir, 'my texts'));
    const { deployment } = drafted(join(dir, 'my texts'));
    expect(deployment.name).toBe('my-texts');
    expect(deployment.models.map((model) => model.name)).toEqual(['tiny', 'small', 'large']);
    expect(deployment.inputs).toEqual({ input_ids: { pad: 0 }, attention_mask: { pad: 0 } });
    expect(loadLabelledData(deployment).count).toBe(400);
  });

  it('finds the arrays that fit the inputs, and labels', () => {
    const folder = join(dir, 'image');
    writeImageFamily(folder);
    unlinkSync(join(folder, 'data.npz'));
    writeFileSync(join(folder, 'x_test.npy'), npyFile([2, 3, 8, 8], new Float32Array(384)));
    writeFileSync(join(folder, 'groups.npy'), npyFile([2], Int32Array.of(0, 0)));
    writeFileSync(join(folder, 'y_labels.npy'), npyFile([2], Int32Array.of(1, 2)));
    expect(loadLabelledData(drafted(folder).deployment).labels).toEqual(Int32Array.of(1, 2));
    unlinkSync(join(folder, 'x_test.npy'));
    const { deployment, notes } = drafted(folder);
    expect(deployment.data).toBeUndefined();
    expect(notes).toContainEqual(
      expect.stringContaining('found no data that fit the models; add `data: { inputs: { pixels: FILE.npy }'),
    );
  });

  it('says that there are no models', () => {
    expect(() => draftDeployment(tmpdir().concat('/nowhere'))).toThrow('holds no .onnx files');
  });
});
