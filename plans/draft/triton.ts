import { basename, dirname, join } from 'node:path';
import { textOfFile } from './folder-files.ts';

/** The parts of a Triton model configuration that a draft needs. */
export interface TritonModel {
  readonly name: string;
  readonly version: number;
  /** Undefined when the configuration does not say. Then, and with 0, the graph decides. */
  readonly maxBatch: number | undefined;
  /** File of class names, one per line, if the configuration names one. */
  readonly labelFile: string | undefined;
}

/**
 * The place of a file in a Triton model repository: `<name>/<version>/model.onnx`, with `<name>/config.pbtxt` unless that is left to
 * Triton.
 * @returns undefined when the file is not in such a place.
 */
export function tritonModel(file: string): TritonModel | undefined {
  const versionFolder = dirname(file);
  const modelFolder = dirname(versionFolder);
  const version = /^[1-9]\d*$/.test(basename(versionFolder)) ? Number(basename(versionFolder)) : undefined;
  if (version === undefined) return undefined;
  const config = textOfFile(join(modelFolder, 'config.pbtxt'));
  if (config === undefined) {
    return basename(file) === 'model.onnx'
      ? { name: basename(modelFolder), version, maxBatch: undefined, labelFile: undefined }
      : undefined;
  }
  const text = config.replace(/#.*$/gm, '');
  const maxBatch = /\bmax_batch_size\s*:\s*(\d+)/.exec(text)?.[1];
  const labels = /\blabel_filename\s*:\s*"([^"]+)"/.exec(text)?.[1];
  return {
    // Triton requires that `name`, if given, is the same; inputs and outputs have a `name`, too.
    name: basename(modelFolder),
    version,
    maxBatch: maxBatch === undefined || maxBatch === '0' ? undefined : Number(maxBatch),
    labelFile: labels === undefined ? undefined : join(modelFolder, labels),
  };
}
