import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { fileDigest, modelDigest, modelFiles } from '../../../../../plans/domain/profile/file-digest.ts';
import { onnxModel, type Weight } from '../../../../fixtures/onnx-writer.ts';

const dir = mkdtempSync(join(tmpdir(), 'cascade-digest-'));
afterAll(() => rmSync(dir, { recursive: true }));

function write(name: string, external?: Weight['external']): string {
  const weights = [{ name: 'w', dims: [2], data: new Float32Array(2), external }];
  writeFileSync(join(dir, name), onnxModel({ inputs: [], outputs: [], weights, nodes: [] }));
  return join(dir, name);
}

it('is the SHA-256 of the file if the file is the whole model', () => {
  const file = write('plain.onnx');
  expect(modelDigest(file)).toBe(createHash('sha256').update(readFileSync(file)).digest('hex'));
  expect(modelFiles(file)).toEqual(['plain.onnx']);
});

it('changes with the weights next to the file, even if their size and date stay the same', () => {
  const data = join(dir, 'w.data');
  writeFileSync(data, new Uint8Array(8).fill(1));
  const file = write('external.onnx', { location: 'w.data' });
  const { atime, mtime } = statSync(data);
  const digest = modelDigest(file);
  expect(modelFiles(file)).toEqual(['external.onnx', 'w.data']);
  expect(digest).not.toBe(fileDigest(file));
  writeFileSync(data, new Uint8Array(8).fill(2));
  utimesSync(data, atime, mtime);
  expect(modelDigest(file)).not.toBe(digest);
  writeFileSync(data, new Uint8Array(8).fill(1));
  expect(modelDigest(file)).toBe(digest);
});

it('covers the content of a file of any length', () => {
  const long = Buffer.alloc(9 * 2 ** 20, 'long');
  writeFileSync(join(dir, 'long'), long);
  expect(fileDigest(join(dir, 'long'))).toBe(createHash('sha256').update(long).digest('hex'));
});
