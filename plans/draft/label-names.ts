import { readFileSync } from 'node:fs';
import type { TensorSpec } from '../../engine/tensor.ts';
import type { DataFiles } from '../data/data-files.ts';
import { isTable, splitMember } from '../data/member-path.ts';
import type { DataPaths } from '../data/read-samples.ts';
import { columnNamed, layOut } from '../data/table-layout.ts';

/**
 * The names of classes that occur as labels, sorted as scikit-learn sorts them.
 * @returns undefined when there are no labels, or they are numbers.
 */
export function labelNames(data: DataPaths, specs: readonly TensorSpec[], reader: DataFiles): readonly string[] | undefined {
  const texts = labelTexts(data, specs, reader);
  return texts === undefined || texts.length === 0 ? undefined : [...new Set(texts)].sort();
}

function labelTexts({ inputs, labels }: DataPaths, specs: readonly TensorSpec[], reader: DataFiles) {
  if (labels !== undefined) {
    const { file, member } = splitMember(labels);
    if (isTable(file)) return textsIn(file, member, []);
    const { array } = reader.array(labels, 'labels', 'data.labels');
    return array.dtype === 'text' ? array.texts : undefined;
  }
  if (typeof inputs !== 'string') return undefined;
  return isTable(inputs) ? textsIn(inputs, undefined, specs) : textsInLines(inputs);

  function textsIn(file: string, column: string | undefined, taken: readonly TensorSpec[]): readonly string[] | undefined {
    const table = reader.table(file);
    const label = column === undefined ? layOut(table, taken, undefined, file).label : columnNamed(table, column, file);
    return label?.type === 'texts' ? label.values : undefined;
  }
}

/** Lines that are damaged are told when the samples are read. */
function textsInLines(file: string): readonly string[] {
  const labels = readFileSync(file, 'utf8').matchAll(/"label"\s*:\s*("(?:[^"\\]|\\.)*")/g);
  return Array.from(labels, ([, label]) => JSON.parse(label) as string);
}
