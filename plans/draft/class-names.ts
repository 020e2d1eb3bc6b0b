import { dirname, join } from 'node:path';
import type { FoundModel } from './find-models.ts';
import { textOfFile } from './folder-files.ts';

/** Class names in the order of the scores, and the file they are from. */
interface ClassNames {
  readonly names: readonly string[];
  readonly file: string;
}

export interface KnownClasses {
  readonly names: readonly string[];
  /** Where the names are from. */
  readonly source: string;
  /** Whether the models contain them; then a deployment need not repeat them. */
  readonly inModels: boolean;
}

/** Class names in the models' graphs, or in files next to them. */
export function knownClasses(models: readonly FoundModel[], shown: (file: string) => string): KnownClasses | undefined {
  const telling = models.find(({ classLabels }) => classLabels !== undefined);
  if (telling?.classLabels !== undefined) {
    return { names: telling.classLabels.map(String), source: `model ${telling.name}`, inModels: true };
  }
  for (const { file, triton } of models) {
    const found = namesInLines(triton?.labelFile) ?? namesInConfig(file);
    if (found !== undefined) return { names: found.names, source: shown(found.file), inModels: false };
  }
  return undefined;
}

/** One name per line, as in Triton's label files; a number before a name is its class. */
function namesInLines(file: string | undefined): ClassNames | undefined {
  const text = file === undefined ? undefined : textOfFile(file);
  if (file === undefined || text === undefined) return undefined;
  const names = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return usable(names, file);
}

/** `id2label` of a Hugging Face config.json in the model's folder or the one above it. */
function namesInConfig(model: string): ClassNames | undefined {
  const candidates = [dirname(model), dirname(dirname(model))].map((folder) => {
    const file = join(folder, 'config.json');
    return { file, text: textOfFile(file) };
  });
  const { file, text } = candidates.find((candidate) => candidate.text !== undefined) ?? {};
  if (file === undefined || text === undefined) return undefined;
  let labels: unknown;
  try {
    labels = (JSON.parse(text) as { id2label?: unknown } | null)?.id2label;
  } catch {
    // A file of some other tool, without names for us.
    return undefined;
  }
  if (typeof labels !== 'object' || labels === null) return undefined;
  const byId = labels as Record<string, unknown>;
  const names = Object.keys(byId).map((_, id) => byId[id]);
  // transformers writes LABEL_0, LABEL_1 ... when there are no names.
  return names.every((name) => typeof name === 'string' && !/^LABEL_\d+$/.test(name))
    ? usable(names as string[], file)
    : undefined;
}

function usable(names: readonly string[], file: string): ClassNames | undefined {
  return names.length >= 2 && new Set(names).size === names.length && !names.includes('') ? { names, file } : undefined;
}
