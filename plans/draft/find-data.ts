import { statSync } from 'node:fs';
import { fileProblem } from '../../engine/backend/file-kind.ts';
import { ConfigError, messageOf } from '../../engine/errors.ts';
import { headOf } from '../../engine/read-file.ts';
import { DTYPES, type NumberType, type TensorSpec } from '../../engine/tensor/tensor.ts';
import type { Column } from '../data/columns.ts';
import { DataFiles, isTable } from '../data/data-files.ts';
import { valuesOf } from '../data/fit-array.ts';
import { isJsonLines, splitMember } from '../data/member-path.ts';
import { type DataPaths, readSamples, type Samples } from '../data/read-samples.ts';
import type { Table, TableColumn } from '../data/table.ts';
import { layOut } from '../data/table-layout.ts';
import { targetReader } from '../data/targets.ts';
import { arrayCandidates, misfitInput, whyUnused } from './array-candidates.ts';
import { arrayProposals, unpaired } from './array-proposals.ts';
import type { PassedOver } from './passed-over.ts';
import type { Proposal } from './proposal.ts';
import { ROLES, roleOf } from './role.ts';

/** Do not read larger files merely to explain why they are not used. */
const MAX_READ_BYTES = 64 * 2 ** 20;

/** Data that fit the models. */
export interface FoundData extends Proposal {
  readonly samples: Samples;
  /** The task that the labels are for. */
  readonly task: (typeof TASKS)[number];
  /** The labels, in order, if they are -1 and 1 or the like: numbers that can only be names of classes. */
  readonly numbers?: readonly number[];
  /** Inputs with NaN for missing values. */
  readonly withNaN: readonly string[];
}

/** In order of preference: the first task whose labels these can be. */
const TASKS = ['classification', 'multi-label', 'regression'] as const;

/** The data that was found, or why each candidate was rejected. */
interface DataSearch {
  readonly found: FoundData | undefined;
  readonly misfits: readonly string[];
}

/**
 * Finds samples among the files in a folder: arrays, a table, or JSON lines that fit the models' inputs. It prefers labelled data, then
 * test data over training data, then arrays over tables and lines.
 * @param classes their names, if the models have them.
 * @param oneColumn whether the models give one number per sample: class labels are then 0 and 1, and others are values.
 */
export function findData(
  files: readonly string[],
  specs: readonly TensorSpec[],
  { classes, oneColumn }: { classes: readonly string[] | undefined; oneColumn: boolean },
  passedOver: PassedOver,
): DataSearch {
  const reader = new DataFiles();
  const dataFiles = files.filter((file) => !/\.json$/i.test(file) || holdsLines(file));
  const tables = dataFiles.filter((file) => orPassOver(file, () => isTable(file)) === true);
  const lines = dataFiles.filter((file) => isJsonLines(file) && !tables.includes(file));
  for (const file of [...tables, ...lines]) orPassOver(file, () => requireKind(file));
  const arrays = arrayCandidates(files, reader, passedOver);
  const misfits = [
    ...arrays.flatMap((array) => specs.flatMap((spec) => misfitInput(spec, array) ?? [])),
    ...unpaired(arrays, specs),
  ];
  const proposals = [
    ...arrayProposals(arrays, labelTables(), specs),
    ...tables.filter(usable).flatMap((file) => orPassOver(file, () => tableProposal(file)) ?? []),
    ...lines.filter(usable).map((file): Proposal => ({ ...proposal(file), data: { inputs: file, labels: undefined } })),
  ];
  /** Why arrays with fitting shapes were rejected. */
  const refused = new Set<string>();
  let unlabelled: FoundData | undefined;
  for (const role of ROLES) {
    for (const each of proposals.filter((one) => one.role === role)) {
      const found = read(each);
      if (found?.samples.targets !== undefined) return chosen(found);
      unlabelled ??= found;
    }
  }
  return unlabelled === undefined ? { found: undefined, misfits: [...misfits, ...refused] } : chosen(unlabelled);

  /** Explains why other files that look like data are not used. */
  function chosen(found: FoundData): DataSearch {
    for (const { data, file } of proposals) {
      if (file === undefined || file === found.file || passedOver.has(file)) continue;
      if (found.data.labels !== undefined && splitMember(found.data.labels).file === file) continue;
      const readable = statSync(file).size > MAX_READ_BYTES || read({ data, file, role: undefined, notes: [] }) !== undefined;
      if (readable) passedOver.add(file, 'other data also fit, and are preferred');
    }
    const used = filesOf(found.data);
    for (const array of arrays) {
      const { file } = splitMember(array.path);
      // Notes tell of training data.
      if (!used.includes(file) && array.role !== 'train' && !passedOver.has(file))
        passedOver.add(file, whyUnused(array, specs, found.samples.columns[0].count));
    }
    const notes = found.samples.targets === undefined ? [...found.notes, ...refused] : found.notes;
    return { found: { ...found, notes }, misfits };
  }

  /** Label columns of tables that may belong to arrays, with their lengths. */
  function labelTables(): ReadonlyMap<string, number> {
    const columns = tables.filter(usable).flatMap((file): [string, number][] => {
      const table = orPassOver(file, () => reader.table(file));
      const label = table && labelOf(table);
      return table === undefined || label === undefined ? [] : [[`${file}#${label.name}`, table.count]];
    });
    return new Map(columns);
  }

  /** Undefined also when several columns may be the label: `tableProposal` says so, unless they are inputs. */
  function labelOf(table: Table): TableColumn | undefined {
    try {
      return layOut(table, [], undefined, '').label;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return undefined;
    }
  }

  function usable(file: string): boolean {
    return !passedOver.has(file);
  }

  function proposal(file: string) {
    return { role: roleOf(passedOver.name(file)), file, notes: [] };
  }

  function tableProposal(file: string): Proposal {
    const { label, unused } = layOut(reader.table(file), specs, undefined, passedOver.name(file));
    const notes = label === undefined ? [] : [`column ${label.name} of ${passedOver.name(file)} holds the labels`];
    if (unused.length > 0) notes.push(`unused columns: ${unused.map(({ name }) => name || '(no name)').join(', ')}`);
    return { ...proposal(file), data: { inputs: file, labels: label && `${file}#${label.name}` }, notes };
  }

  function read(each: Proposal): FoundData | undefined {
    const get = (): FoundData => ({ ...each, ...readAs(each.data, specs, classes, oneColumn) });
    if (each.file !== undefined) return orPassOver(each.file, get);
    try {
      return get();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      refused.add(messageOf(error));
      return undefined;
    }
  }

  function orPassOver<T>(file: string, make: () => T): T | undefined {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      passedOver.add(file, error);
      return undefined;
    }
  }
}

function filesOf({ inputs, labels }: DataPaths): readonly string[] {
  const paths = typeof inputs === 'string' ? [inputs] : Object.values(inputs);
  return [...paths, ...(labels === undefined ? [] : [labels])].map((path) => splitMember(path).file);
}

/** @throws ConfigError when the values do not fit the inputs, or the labels fit no task. */
function readAs(
  data: DataPaths,
  specs: readonly TensorSpec[],
  classes: readonly string[] | undefined,
  oneColumn: boolean,
): Pick<FoundData, 'samples' | 'task' | 'numbers' | 'withNaN'> {
  const lenient = specs.map((spec) => (isFloat(spec) ? { ...spec, nan: true } : spec));
  const reads = (task: (typeof TASKS)[number], names: readonly string[] | undefined): Samples =>
    readSamples('deployment.yaml', data, lenient, targetReader(task, names));
  let problem: unknown;
  for (const task of TASKS) {
    try {
      const samples = reads(task, classes);
      const { values = [], width = 1 } = samples.targets ?? {};
      if (task === 'regression') {
        const distinct = [...new Set(values)].sort((a, b) => a - b);
        // Labels of -1 and 1 name the classes.
        if (width === 1 && distinct.length === 2 && distinct.every(Number.isInteger) && classes === undefined) {
          const named = reads('classification', distinct.map(String));
          return { task: 'classification', samples: named, numbers: distinct, withNaN: inputsWithNaN(specs, named) };
        }
        // Whole numbers that are not classes of these models are not values either, and a label row has more than one number.
        if (!oneColumn && values.every(Number.isInteger)) break;
      }
      const areNumbers = classes === undefined && samples.targets?.classes === undefined;
      if (task === 'classification' && oneColumn && areNumbers && new Set(values).size > 2) continue;
      if (task !== 'multi-label' || width > 1) return { task, samples, withNaN: inputsWithNaN(specs, samples) };
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problem ??= error;
    }
  }
  throw problem;
}

function isFloat({ dtype }: TensorSpec): boolean {
  return dtype !== 'string' && DTYPES[dtype].integer === undefined;
}

function inputsWithNaN(specs: readonly TensorSpec[], { columns }: Samples): readonly string[] {
  return specs.filter((spec, i) => isFloat(spec) && holdsNaN(spec, columns[i])).map(({ name }) => name);
}

function holdsNaN({ dtype }: TensorSpec, { count, tensor }: Column): boolean {
  for (let i = 0; i < count; i++) {
    const { data, shape } = tensor(i);
    const values = valuesOf({ dtype: dtype as NumberType, shape, data: data.slice() });
    for (const value of values) if (Number.isNaN(Number(value))) return true;
  }
  return false;
}

/** Whether a .json file, most of which are settings, begins with a line that is a record, and another one. */
function holdsLines(file: string): boolean {
  try {
    const [first, second = ''] = new TextDecoder().decode(headOf(file)).split('\n', 2);
    return second.startsWith('{') && typeof JSON.parse(first) === 'object';
  } catch {
    return false;
  }
}

/** @throws ConfigError when the file is not of the type its name suggests. */
function requireKind(file: string): void {
  const problem = fileProblem(file, headOf(file));
  if (problem !== undefined) throw new ConfigError(problem);
}
