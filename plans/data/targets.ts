import { ConfigError } from '../../engine/errors.ts';
import type { TaskName } from '../domain/deployment/model-entry.ts';
import { shown } from '../domain/deployment/shown.ts';
import { valuesOf } from './fit-array.ts';
import { checkLabel, labelsOf } from './labels.ts';
import type { DataArray } from './npy.ts';

/** The truth about each sample: its class, a 0 or 1 per label, or values. */
export interface Targets {
  /** Numbers per sample. */
  readonly width: number;
  /** Row-major [samples, width]. */
  readonly values: Int32Array | Float32Array;
  /** Names of the classes, if the labels are names and their order was not given. */
  readonly classes?: readonly string[];
}

/** Reads the targets that a task needs. Both functions throw ConfigError for invalid targets. */
export interface TargetReader {
  ofArray(array: DataArray, where: string): Targets;
  /** One value per sample, as in JSON lines. */
  ofValues(values: readonly unknown[], where: (sample: number) => string): Targets;
}

/**
 * @param classes names, if known; otherwise, labels that are names are numbered in order of their characters, as scikit-learn and
 *   numpy.unique do.
 * @returns undefined for a task without labels.
 */
export function targetReader(task: TaskName, classes: readonly string[] | undefined): TargetReader | undefined {
  switch (task) {
    case 'custom':
      return undefined;
    case 'regression':
      return rowReader('numbers', (value) => Number.isFinite(value));
    case 'multi-label':
      return rowReader('0 or 1 for each label', (value) => value === 0 || value === 1);
    default:
      return classReader(classes);
  }
}

function classReader(classes: readonly string[] | undefined): TargetReader {
  return {
    ofArray: (array, where) => {
      const found =
        array.dtype === 'text' && classes === undefined ? inOrder(array.texts, (i) => `${where}: label ${i}`) : undefined;
      return { width: 1, values: labelsOf(array, classes ?? found, where), ...(found === undefined ? {} : { classes: found }) };
    },
    ofValues: (values, where) => {
      const texts = values.filter((value) => typeof value === 'string');
      const found = classes === undefined && texts.length === values.length ? inOrder(texts, where) : undefined;
      return {
        width: 1,
        values: Int32Array.from(values, (value, i) => checkLabel(value, classes ?? found, where(i))),
        ...(found === undefined ? {} : { classes: found }),
      };
    },
  };
}

/** @throws ConfigError for an empty label, which would be a class that nobody has named. */
function inOrder(names: readonly string[], where: (sample: number) => string): string[] {
  const words = names.map((name) => name.trim());
  const empty = words.indexOf('');
  if (empty !== -1) throw new ConfigError(`${where(empty)} is empty; label all samples, or leave this one out`);
  return [...new Set(words)].sort();
}

function rowReader(what: string, isGood: (value: number) => boolean): TargetReader {
  const check = (value: unknown, where: () => string): number => {
    if (typeof value === 'number' && isGood(value)) return value;
    throw new ConfigError(`${where()} is ${typeof value === 'number' ? value : shown(value)}; expected ${what}`);
  };
  return {
    ofArray: (array, where) => {
      const { dtype, shape } = array;
      const [samples = 0, width = 1] = shape;
      if (dtype === 'text' || samples === 0 || width === 0 || shape.length > 2) {
        throw new ConfigError(`${where} is ${dtype}[${shape.join(', ')}]; expected ${what}: [samples] or [samples, columns]`);
      }
      const values = valuesOf(array);
      return {
        width,
        values: Float32Array.from({ length: values.length }, (_, i) =>
          check(Number(values[i]), () => `${where}: row ${Math.floor(i / width)}`),
        ),
      };
    },
    ofValues: (values, where) => {
      const rows = values.map((value, i) => (Array.isArray(value) ? value : [value]).map((each) => check(each, () => where(i))));
      const width = rows[0].length;
      const other = rows.findIndex((row) => row.length !== width);
      if (other !== -1)
        throw new ConfigError(
          `${where(other)} has ${rows[other].length} numbers, but ${where(0)} has ${width}; they must have equally many`,
        );
      return { width, values: Float32Array.from(rows.flat()) };
    },
  };
}
