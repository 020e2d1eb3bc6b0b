import { basename } from 'node:path';
import { ConfigError } from '../../engine/errors.ts';
import { decodeText } from '../../engine/read-file.ts';
import type { Tensor, TensorSpec } from '../../engine/tensor/tensor.ts';
import { type Column, parseValue } from './columns.ts';
import { readData } from './data-files.ts';
import { parseJsonLine } from './json-records.ts';
import type { TargetReader, Targets } from './targets.ts';

/**
 * Reads samples, one per line: `{"inputs": {"input_ids": [1, 2], ...}, "label": 3}`. Numbers may be flat or nested, and ragged axes have
 * any length. Either all samples have labels, or none.
 * @throws ConfigError that names file, line and field.
 */
export function readJsonLines(
  path: string,
  specs: readonly TensorSpec[],
  reader: TargetReader | undefined,
): { columns: Column[]; targets: Targets | undefined } {
  const file = basename(path);
  const columns = specs.map((): Tensor[] => []);
  const labels: unknown[] = [];
  const lines: number[] = [];
  let count = 0;
  decodeText(readData(path, file), file)
    .split('\n')
    .forEach((line, i) => {
      if (line.trim() === '') return;
      const where = `${file}:${i + 1}`;
      const { inputs, label } = parseLine(line, where);
      const unknown = Object.keys(inputs).find((name) => !specs.some((spec) => spec.name === name));
      const names = specs.map((spec) => spec.name).join(', ');
      if (unknown !== undefined)
        throw new ConfigError(`${where} inputs.${unknown}: no model has this input; the models have ${names}`);
      specs.forEach((spec, column) => {
        if (!Object.hasOwn(inputs, spec.name))
          throw new ConfigError(`${where} inputs.${spec.name}: is missing; the models need ${names}`);
        columns[column].push(parseValue(spec, inputs[spec.name], `${where} inputs.${spec.name}`));
      });
      if (label !== undefined) labels.push(label);
      lines.push(i + 1);
      count++;
      if (labels.length !== 0 && labels.length !== count) {
        throw new ConfigError(
          `${where} label: ${label === undefined ? 'is missing' : 'is the first'}; label all samples or none`,
        );
      }
    });
  if (count === 0) throw new ConfigError(`${file} has no samples; expected lines of {"inputs": {...}, "label": 3}`);
  return {
    columns: columns.map((tensors) => ({ count: tensors.length, tensor: (index) => tensors[index] })),
    targets: labels.length === 0 ? undefined : reader?.ofValues(labels, (sample) => `${file}:${lines[sample]} label`),
  };
}

function parseLine(line: string, where: string): { inputs: Record<string, unknown>; label: unknown } {
  const sample = parseJsonLine(line, where) as { inputs?: unknown; label?: unknown } | null;
  if (typeof sample?.inputs !== 'object' || sample.inputs === null || Array.isArray(sample.inputs)) {
    throw new ConfigError(`${where} has no inputs; expected {"inputs": {"<name>": [numbers], ...}, "label": 3}`);
  }
  return { inputs: sample.inputs as Record<string, unknown>, label: sample.label };
}
