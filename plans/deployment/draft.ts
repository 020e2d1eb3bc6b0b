import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { totalmem } from 'node:os';
import { basename, join, relative, resolve } from 'node:path';
import { stringify } from 'yaml';
import { familyInputs } from '../../engine/backend/model-interface.ts';
import { readModelInterface } from '../../engine/backend/onnx-file.ts';
import { ConfigError } from '../../engine/errors.ts';
import { DTYPES, type TensorSpec } from '../../engine/tensor.ts';
import { usableCores } from '../../engine/usable-cores.ts';
import { type DataArray, readNpy } from '../data/npy.ts';

const MIB = 2 ** 20;

/** A deployment file for what a folder holds, and what its author should look at. */
export interface Draft {
  readonly yaml: string;
  readonly notes: readonly string[];
}

/**
 * Guesses a deployment: models are the ONNX files, smallest first; data are a `.jsonl`, an `.npz`, or the `.npy` files that fit
 * the models' inputs; one device per core but the first, which is left to the frontend.
 * @throws ConfigError when there are no models, or they do not belong together.
 */
export function draftDeployment(dir: string): Draft {
  const root = resolve(dir);
  const files = [root, join(root, 'models'), join(root, 'data')].flatMap(filesIn);
  const models = files.filter((file) => file.endsWith('.onnx')).toSorted((a, b) => statSync(a).size - statSync(b).size);
  if (models.length === 0) throw new ConfigError(`${dir}: holds no .onnx files (looked there and in models/)`);
  const names = unique(models.map((file) => token(basename(file, '.onnx'))));
  const specs = familyInputs(models.map((file, i) => ({ name: names[i], inputs: readModelInterface(file, {}).inputs })));
  const ragged = specs.filter((spec) => spec.shape.includes(null));
  const path = (file: string): string => relative(root, file);
  const data = findData(files, specs, path);
  const notes = ['models are ordered by file size; `cascade profile` says if the order should be another'];
  if (data === undefined) {
    const wanted = specs.map((spec) => `${spec.name}: FILE.npy`).join(', ');
    notes.push(`found no data that fit the models; add \`data: { inputs: { ${wanted} }, labels: LABELS.npy }\``);
  } else if (typeof data.inputs !== 'string' && data.labels === undefined) {
    notes.push('found no labels; add `labels: FILE.npy` to data');
  }
  notes.push('set slo and load to what you need');
  const yaml = stringify(
    {
      name: token(basename(root)),
      models: models.map((file, i) => ({ name: names[i], file: path(file) })),
      ...(ragged.length === 0 ? {} : { inputs: Object.fromEntries(ragged.map((spec) => [spec.name, { pad: 0 }])) }),
      certainty: 'margin',
      scores: 'logits',
      ...(data === undefined ? {} : { data: { ...data, validation: 0.5 } }),
      devices: localDevices(),
      slo: { p95: '100ms' },
      load: { qpsMax: 1000, ranges: 16, distribution: { zipf: 1 } },
    },
    { lineWidth: 0 },
  );
  return { yaml: `# Written by \`cascade init\`: a guess to be checked.\n${yaml}`, notes };
}

function localDevices() {
  const usable = usableCores();
  const used = usable.length === 1 ? usable : usable.slice(1);
  const memory = Math.max(64, Math.floor(totalmem() / 2 / used.length / MIB / 64) * 64);
  return used.map((core) => ({ id: `cpu${core}`, kind: 'cpu', cores: [core], memory: `${memory}MiB` }));
}

function findData(files: readonly string[], specs: readonly TensorSpec[], path: (file: string) => string) {
  const whole = files.find((file) => file.endsWith('.jsonl')) ?? files.find((file) => file.endsWith('.npz'));
  if (whole !== undefined) return { inputs: path(whole) };
  const arrays = files
    .filter((file) => file.endsWith('.npy'))
    .map((file) => ({ file, array: readNpy(readFileSync(file), path(file)) }));
  const inputs: Record<string, string> = {};
  for (const spec of specs) {
    const fitting = arrays.filter(({ array }) => fits(spec, array));
    const chosen = fitting.find(({ file }) => basename(file, '.npy') === spec.name) ?? fitting[0];
    if (chosen === undefined) return undefined;
    inputs[spec.name] = path(chosen.file);
  }
  const taken = new Set(Object.values(inputs));
  const labels = arrays
    .filter(
      ({ file, array }) =>
        !taken.has(path(file)) && array.shape.length === 1 && array.dtype !== 'text' && DTYPES[array.dtype].integer !== undefined,
    )
    .toSorted((a, b) => Number(!/label/i.test(a.file)) - Number(!/label/i.test(b.file)))[0];
  return labels === undefined ? { inputs } : { inputs, labels: path(labels.file) };
}

function fits(spec: TensorSpec, { dtype, shape }: DataArray): boolean {
  const sample = shape.slice(1);
  return (
    dtype === spec.dtype &&
    shape.length === spec.shape.length + 1 &&
    sample.every((dimension, axis) => dimension === (spec.shape[axis] ?? dimension))
  );
}

function filesIn(dir: string): string[] {
  if (!existsSync(dir)) return [];
  const entries = readdirSync(dir, { withFileTypes: true }).filter((entry) => entry.isFile());
  return entries.map((entry) => join(dir, entry.name)).toSorted();
}

/** What may be a token of a NATS subject. */
function token(text: string): string {
  const cleaned = text.replace(/[^A-Za-z0-9_-]+/g, '-').slice(0, 64);
  return cleaned === '' ? 'model' : cleaned;
}

function unique(names: readonly string[]): string[] {
  return names.map((name, i) => (names.indexOf(name) === i ? name : `${name.slice(0, 60)}-${i + 1}`));
}
