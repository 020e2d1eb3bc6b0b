import { basename } from 'node:path';
import { ConfigError, forAll } from '../../engine/errors.ts';
import { describeSpec, type TensorSpec } from '../../engine/tensor/tensor.ts';
import { arrayColumn, type Column } from './columns.ts';
import { DataFiles, isTable } from './data-files.ts';
import { readJsonLines } from './json-lines.ts';
import { splitMember } from './member-path.ts';
import { columnArray, tableColumn } from './table-column.ts';
import { columnNamed, layOut } from './table-layout.ts';
import type { TargetReader, Targets } from './targets.ts';

/** The files that a deployment's `data` names; absolute paths. */
export interface DataPaths {
  readonly inputs: string | Readonly<Record<string, string>>;
  readonly labels: string | undefined;
}

export interface Samples {
  /** In input order. */
  readonly columns: readonly Column[];
  readonly targets: Targets | undefined;
}

/**
 * Reads the samples that a deployment names.
 * @param file of the deployment, for messages.
 * @param reader of the labels; undefined when there are none to read.
 * @throws ConfigError that names file and field when they do not fit the models' inputs or the classes.
 */
export function readSamples(
  file: string,
  data: DataPaths,
  specs: readonly TensorSpec[],
  reader: TargetReader | undefined,
): Samples {
  const files = new DataFiles();
  if (typeof data.inputs !== 'string') return readBoth(data.inputs, data.labels);
  const whole = data.inputs;
  if (splitMember(whole).member !== undefined || /\.npy$/i.test(whole)) return readBoth(onlyInput(whole), data.labels);
  if (isTable(whole)) return readTable(whole);
  if (/\.npz$/i.test(whole)) {
    const labels = data.labels ?? (Object.hasOwn(files.archive(whole), 'labels.npy') ? `${whole}#labels` : undefined);
    return readBoth(Object.fromEntries(specs.map((spec) => [spec.name, `${whole}#${spec.name}`])), labels);
  }
  if (data.labels !== undefined) {
    throw new ConfigError(`${file}: data.labels: JSON lines contain their own labels; leave it out`);
  }
  return readJsonLines(whole, specs, reader);

  function readBoth(inputs: Readonly<Record<string, string>>, labels: string | undefined): Samples {
    let columns: readonly Column[] = [];
    let targets: Targets | undefined;
    const readers = [
      () => {
        columns = readColumns(inputs);
      },
      () => {
        if (labels !== undefined) targets = readLabels(labels);
      },
    ];
    forAll(readers, (read) => read());
    return { columns, targets };
  }

  /** One array or column, which needs no name if the models have one input. */
  function onlyInput(path: string): Record<string, string> {
    const names = specs.map((spec) => spec.name);
    if (names.length === 1) return { [names[0]]: path };
    const each = names.map((name) => `${name}: ...`).join(', ');
    throw new ConfigError(
      `${file}: data.inputs: ${basename(path)} is one array, but the models have the inputs ${names.join(', ')}; name one per input: { ${each} }`,
    );
  }

  /** All inputs, and the labels unless they are in another file. */
  function readTable(path: string): Samples {
    const name = `${basename(path)} (data.inputs)`;
    const { inputs, label } = layOut(files.table(path), specs, labelColumnIn(path), name);
    return {
      columns: specs.map((spec, i) => tableColumn(spec, inputs[i], name)),
      targets:
        data.labels !== undefined
          ? readLabels(data.labels)
          : label && reader?.ofArray(columnArray(label, `${basename(path)}#${label.name}`), `${basename(path)}#${label.name}`),
    };
  }

  function labelColumnIn(path: string): string | undefined {
    const labels = data.labels === undefined ? undefined : splitMember(data.labels);
    return labels?.file === path ? labels.member : undefined;
  }

  function readColumns(paths: Readonly<Record<string, string>>): Column[] {
    const extra = Object.keys(paths).find((name) => !specs.some((spec) => spec.name === name));
    if (extra !== undefined) {
      throw new ConfigError(
        `${file}: data.inputs.${extra}: no model has this input; the models have ${specs.map((spec) => spec.name).join(', ')}`,
      );
    }
    return forAll(specs, (spec) => {
      if (!Object.hasOwn(paths, spec.name)) {
        throw new ConfigError(`${file}: data.inputs.${spec.name}: is missing; name a .npy file of ${describeSpec(spec)}`);
      }
      return readColumn(spec, paths[spec.name]);
    });
  }

  function readColumn(spec: TensorSpec, path: string): Column {
    const field = `data.inputs.${spec.name}`;
    const { file: onDisk, member } = splitMember(path);
    if (!isTable(onDisk)) {
      const { array, name } = files.array(path, spec.name, field);
      return arrayColumn(spec, array, name);
    }
    const name = `${basename(path)} (${field})`;
    const table = files.table(onDisk);
    const columns =
      member === undefined ? layOut(table, [spec], labelColumnIn(onDisk), name).inputs[0] : [columnNamed(table, member, name)];
    return tableColumn(spec, columns, name);
  }

  function readLabels(path: string): Targets | undefined {
    const { file: onDisk, member } = splitMember(path);
    if (!isTable(onDisk)) {
      const { array, name } = files.array(path, 'labels', 'data.labels');
      return reader?.ofArray(array, name);
    }
    const name = `${basename(path)} (data.labels)`;
    const table = files.table(onDisk);
    const label = member === undefined ? layOut(table, [], undefined, name).label : columnNamed(table, member, name);
    if (label === undefined) throw new ConfigError(`${name} has no label column; name one: ${basename(path)}#COLUMN`);
    return reader?.ofArray(columnArray(label, name), name);
  }
}
