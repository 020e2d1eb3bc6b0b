import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { afterAll, describe, expect, it } from 'vitest';
import { createOnnxBackend } from '../../../engine/backend/onnx-backend.ts';
import { readModelInterface } from '../../../engine/backend/onnx-file.ts';
import { loadLabelledData } from '../../../plans/data/load-labelled-data.ts';
import { loadDeployment } from '../../../plans/domain/deployment/read-deployment.ts';
import { familyOutputs } from '../../../plans/domain/task/family-outputs.ts';
import { auxiliaryOf } from '../../../plans/domain/task/task-of.ts';
import { checkBatchIndependence } from '../../../plans/profiling/check-batch-independence.ts';
import { runBatch } from '../../../plans/profiling/run-batch.ts';
import { sampleSizesOf } from '../../../plans/profiling/validation-batches.ts';
import { onnxModel } from '../../fixtures/onnx-writer.ts';
import { KINDS, type Kind } from './kinds.ts';
import { modelsPage } from './page.ts';

const root = mkdtempSync(join(tmpdir(), 'cascade-kinds-'));
afterAll(() => rmSync(root, { recursive: true }));

/** A folder with models, data and a deployment, like a user's. */
function write({ models, opsets, samples, yaml = '' }: Kind): string {
  const dir = mkdtempSync(join(root, 'kind-'));
  const entries = models.map(({ graph, yaml: own }, m) => {
    writeFileSync(join(dir, `m${m}.onnx`), onnxModel(graph, opsets === undefined ? {} : { opsets }));
    return `{ name: m${m}, file: m${m}.onnx${own === undefined ? '' : `, ${own}`} }`;
  });
  writeFileSync(join(dir, 'data.jsonl'), samples.map((inputs) => JSON.stringify({ inputs })).join('\n'));
  writeFileSync(
    join(dir, 'deployment.yaml'),
    `name: kinds
models: [ ${entries.join(', ')} ]
data: { inputs: data.jsonl }
devices: [ { id: c0, kind: cpu, memory: 512MiB } ]
slo: { p95: 100ms }
load: { qpsMax: 10 }
${yaml}
`,
  );
  return dir;
}

/** The scores of each model for each sample, alone and in the largest allowed batches, as in `profile`. */
async function answers(dir: string): Promise<{ alone: number[][][]; together: number[][][] }> {
  const deployment = loadDeployment(dir);
  const data = loadLabelledData(deployment);
  const backend = createOnnxBackend({
    kind: 'cpu',
    threads: 1,
    inputs: deployment.inputs,
    specs: data.specs,
    auxiliary: auxiliaryOf(deployment),
  });
  const all = Array.from({ length: data.count }, (_, index) => index);
  try {
    const [alone, together]: number[][][][] = [[], []];
    const outputs = familyOutputs(deployment, data);
    for (const [m, model] of deployment.models.entries()) {
      const { fixedBatch = all.length } = await firstValueFrom(backend.load({ ...model, output: outputs[m].output }));
      const largest = Math.min(fixedBatch, model.maxBatch, 2);
      const rows = async (size: number): Promise<number[][]> => {
        const scores: number[][] = [];
        for (let from = 0; from < all.length; from += size) {
          const indices = all.slice(from, from + size);
          const samples = indices.map((index) => data.sample(index));
          const output = await runBatch(backend, model.name, samples, indices);
          for (let row = 0; row < indices.length; row++) {
            scores.push([...output.scores.subarray(row * output.classes, (row + 1) * output.classes)]);
          }
        }
        return scores;
      };
      alone.push(await rows(1));
      together.push(await rows(largest));
      await checkBatchIndependence(
        backend,
        model.name,
        { ...data, validation: Int32Array.from(all) },
        sampleSizesOf(data),
        largest,
        'quick',
      );
    }
    return { alone, together };
  } finally {
    await backend.close();
  }
}

describe.each(Object.entries(KINDS))('%s', (_, kinds) => {
  it.each(kinds)('$what', async (kind) => {
    const dir = write(kind);
    const { outcome, samples, models } = kind;
    if (outcome.type === 'refused') {
      const error = await answers(dir).catch((thrown) => thrown);
      expect(error).toMatchObject({ name: 'ConfigError' });
      expect(error.message).toContain(outcome.message);
      return;
    }
    const scores = outcome.scores ?? samples.map(({ x }) => x as number[]);
    const expected = models.map(() => scores);
    expect(await answers(dir)).toEqual({ alone: expected, together: expected });
    expect(readModelInterface(join(dir, 'm0.onnx'), {}).classLabels).toEqual(outcome.classLabels);
  });
});

it('docs/models.md is these kinds', () => {
  const file = join(import.meta.dirname, '../../../docs/models.md');
  const page = modelsPage();
  if (process.env.UPDATE_DOCS === '1') writeFileSync(file, page);
  expect(readFileSync(file, 'utf8')).toBe(page);
});
