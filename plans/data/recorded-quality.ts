import { ConfigError } from '../../engine/errors.ts';
import type { ModelEntry } from '../domain/deployment/model-entry.ts';
import { DataFiles } from './data-files.ts';
import { valuesOf } from './fit-array.ts';

/**
 * Quality of each model on each sample, read from files (task custom).
 * @param quality a file [samples] per model, or one [samples, models] in the order of the models.
 * @returns per model.
 * @throws ConfigError for another shape, and for values outside [0, 1].
 */
export function readQuality(
  quality: string | Readonly<Record<string, string>>,
  models: readonly Pick<ModelEntry, 'name'>[],
  samples: number,
): ReadonlyMap<string, Float32Array> {
  const files = new DataFiles();
  if (typeof quality !== 'string') {
    return new Map(models.map(({ name }) => [name, column(read(quality[name], `data.quality.${name}`, 1), 0, 1)]));
  }
  const all = read(quality, 'data.quality', models.length);
  return new Map(models.map(({ name }, m) => [name, column(all, m, models.length)]));

  function read(path: string, field: string, columns: number): Float32Array {
    const { array, name } = files.array(path, 'quality', field);
    const [rows, width = 1, ...rest] = array.shape;
    if (array.dtype === 'text' || rows !== samples || width !== columns || rest.length > 0) {
      const expected = columns === 1 ? `${samples}` : `${samples}, ${columns}`;
      throw new ConfigError(`${name} is ${array.dtype}[${array.shape.join(', ')}]; expected numbers [${expected}]`);
    }
    const given = valuesOf(array);
    return Float32Array.from({ length: given.length }, (_, i) => {
      const value = Number(given[i]);
      if (value >= 0 && value <= 1) return value;
      throw new ConfigError(`${name}: sample ${Math.floor(i / columns)} has ${value}; a quality must be from 0 to 1`);
    });
  }
}

function column(values: Float32Array, index: number, width: number): Float32Array {
  return Float32Array.from({ length: values.length / width }, (_, i) => values[i * width + index]);
}
