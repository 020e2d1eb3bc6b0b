import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onnxModel, type Value } from '../fixtures/onnx-writer.ts';

export type Files = Readonly<Record<string, string | Uint8Array>>;

/** Creates a folder with these files, by path. */
export function folderWith(files: Files): string {
  const root = mkdtempSync(join(tmpdir(), 'cascade-folder-'));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

interface ModelSettings {
  readonly inputs?: readonly Value[];
  readonly outputs?: readonly Value[];
  /** Size of additional, unused weights. */
  readonly bytes?: number;
  readonly op?: string;
}

/** A model that applies one operator to its first input; every output has the result. */
export function modelOf(settings: ModelSettings = {}): Uint8Array {
  const {
    inputs = [{ name: 'x', type: 'float32', shape: ['batch', 2] }],
    outputs = [{ name: 'scores', type: 'float32', shape: ['batch', 2] }],
    bytes = 0,
    op = 'Identity',
  } = settings;
  const weights = bytes === 0 ? [] : [{ name: 'ballast', dims: [bytes / 4], data: new Float32Array(bytes / 4) }];
  const nodes = outputs.map(({ name }) => ({ op, inputs: [inputs[0].name], outputs: [name] }));
  return onnxModel({ inputs, outputs, weights, nodes });
}
