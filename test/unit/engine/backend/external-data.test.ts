import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { externalFiles } from '../../../../engine/backend/external-data.ts';
import { type External, type Graph, onnxModel, type Weight } from '../../../fixtures/onnx-writer.ts';

const root = mkdtempSync(join(tmpdir(), 'cascade-external-'));
afterAll(() => rmSync(root, { recursive: true }));

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(root, 'case-'));
});

const empty: Graph = { inputs: [], outputs: [], weights: [], nodes: [] };

function weight(external: External, name = 'w'): Weight {
  return { name, dims: [2], data: new Float32Array(2), external };
}

/** A node with a constant in its own file. */
function constant(location: string) {
  return { op: 'Constant', inputs: [], outputs: ['c'], attributes: { value: { tensor: weight({ location }) } } };
}

function write(model: Uint8Array, ...locations: string[]): string {
  for (const location of locations) {
    mkdirSync(join(dir, location, '..'), { recursive: true });
    writeFileSync(join(dir, location), new Uint8Array(16));
  }
  writeFileSync(join(dir, 'model.onnx'), model);
  return join(dir, 'model.onnx');
}

describe('files that hold external weights', () => {
  it('are none if the weights are inside the file', () => {
    const inside = { name: 'w', dims: [2], data: new Float32Array(2) };
    expect(externalFiles(write(onnxModel({ ...empty, weights: [inside] })))).toEqual([]);
  });

  it('are those of initializers: each file once, sorted, including subfolders', () => {
    const weights = ['z.data', 'parts/a.data', './z.data'].map((location) => weight({ location, offset: 8, length: 8 }));
    expect(externalFiles(write(onnxModel({ ...empty, weights }), 'z.data', 'parts/a.data'))).toEqual(['parts/a.data', 'z.data']);
  });

  it.each<[string, (location: string) => Uint8Array]>([
    ['constants', (location) => onnxModel({ ...empty, nodes: [constant(location)] })],
    [
      'subgraphs in subgraphs',
      (location) => {
        const inner: Graph = { ...empty, weights: [weight({ location })] };
        const body: Graph = {
          ...empty,
          nodes: [{ op: 'Loop', inputs: [], outputs: ['y'], attributes: { body: { graph: inner } } }],
        };
        return onnxModel({
          ...empty,
          nodes: [{ op: 'If', inputs: ['x'], outputs: ['y'], attributes: { then_branch: { graph: body } } }],
        });
      },
    ],
    ['sparse initializers', (location) => onnxModel({ ...empty, sparseWeights: [weight({ location })] })],
    [
      'sparse constants',
      (location) => {
        const attributes = { sparse_value: { sparse: weight({ location }) } };
        return onnxModel({ ...empty, nodes: [{ op: 'Constant', inputs: [], outputs: ['c'], attributes }] });
      },
    ],
    ['functions', (location) => onnxModel(empty, { functions: [{ nodes: [constant(location)] }] })],
    ['training information', (location) => onnxModel(empty, { training: { ...empty, weights: [weight({ location })] } })],
  ])('of %s', (_, model) => {
    expect(externalFiles(write(model('w.data'), 'w.data'))).toEqual(['w.data']);
  });

  it.each<[string, External]>([
    ['its weights are in none.data, which does not exist (looked in ', { location: 'none.data' }],
    ['its weights take 24 bytes of w.data, which has 16; copy the whole file', { location: 'w.data', offset: 8, length: 16 }],
    ['the weights of w are in "/etc/passwd"; export the model with its weights in its own folder', { location: '/etc/passwd' }],
    ['the weights of w are in "../w.data"', { location: '../w.data' }],
    ['the weights of w are in "parts/../../w.data"', { location: 'parts/../../w.data' }],
    ['the weights of w are in ""', { location: '' }],
  ])('says "%s"', (message, external) => {
    const file = write(onnxModel({ ...empty, weights: [weight(external)] }), 'w.data');
    const read = (): unknown => externalFiles(file);
    expect(read).toThrow(expect.objectContaining({ name: 'ConfigError', message: expect.stringContaining(message) }));
    expect(read).toThrow(file);
  });

  it('says that a file is not an ONNX model', () => {
    expect(() => externalFiles(write(Buffer.from('version https://git-lfs')))).toThrow(/model\.onnx is not an ONNX model: /);
  });
});
