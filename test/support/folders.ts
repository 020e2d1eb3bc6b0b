import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onnxModel, type Value } from '../fixtures/onnx-writer.ts';

export type Files = Readonly<Record<string, string | Uint8Array>>;

/** A folder with these files in it, by their paths. */
export function folderWith(files: Files): string {
  const root = mkdtempSync(join(tmpdir(), 'cascade-folder-'));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

/** A model that multiplies two numbers by nothing: enough to be looked at. */
export function modelOf({
  inputs = [{ name: 'x', type: 'float32', shape: ['batch', 2] }],
  outputs = [{ name: 'scores', type: 'float32', shape: ['batch', 2] }],
  bytes = 0,
}: {
  inputs?: readonly Value[];
  outputs?: readonly Value[];
  bytes?: number;
} = {}): Uint8Array {
  const weights = bytes === 0 ? [] : [{ name: 'ballast', dims: [bytes / 4], data: new Float32Array(bytes / 4) }];
  return onnxModel({
    inputs,
    outputs,
    weights,
    nodes: [{ op: 'Identity', inputs: [inputs[0].name], outputs: [outputs[0].name] }],
  });
}
