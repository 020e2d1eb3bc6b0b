import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { ModelStore } from '../../../../../actors/device/weights/model-store.ts';
import { WeightsMissingError } from '../../../../../engine/errors.ts';
import { modelDigest } from '../../../../../plans/domain/profile/file-digest.ts';
import { onnxModel } from '../../../../fixtures/onnx-writer.ts';

const root = mkdtempSync(join(tmpdir(), 'cascade-store-'));
afterAll(() => rmSync(root, { recursive: true }));

let dir: string;
let store: ModelStore;
let copies: string;
beforeEach(() => {
  dir = mkdtempSync(join(root, 'case-'));
  store = new ModelStore(dir, 'shop');
  copies = join(dir, '.cascade', 'shop', 'a');
});

/** A model whose weights are in `w.data`. @returns its file and digest. */
function write(value: number): { file: string; digest: string } {
  const file = join(dir, 'a.onnx');
  const weights = [{ name: 'w', dims: [2], data: new Float32Array(2), external: { location: 'w.data' } }];
  writeFileSync(file, onnxModel({ inputs: [], outputs: [], weights, nodes: [] }));
  writeFileSync(join(dir, 'w.data'), new Uint8Array(8).fill(value));
  return { file, digest: modelDigest(file) };
}

describe('requested weights', () => {
  it('are copied at first use, and come from the copy after the files are overwritten', () => {
    const { file, digest } = write(1);
    const { file: copy } = store.find('a', file, digest);
    expect(copy).not.toBe(file);
    expect(modelDigest(copy)).toBe(digest);
    const renewed = write(2);
    expect(renewed.digest).not.toBe(digest);
    expect(store.find('a', file, digest)).toEqual({ file: copy });
    expect([...readFileSync(join(copy, '..', 'w.data'))]).toEqual([...new Uint8Array(8).fill(1)]);
    expect(modelDigest(store.find('a', file, renewed.digest).file)).toBe(renewed.digest);
    expect(readdirSync(copies).sort()).toEqual([digest, renewed.digest].sort());
  });

  it('come from the copy if the files are gone', () => {
    const { file, digest } = write(1);
    const found = store.find('a', file, digest);
    for (const name of ['a.onnx', 'w.data']) rmSync(join(dir, name));
    expect(store.find('a', file, digest)).toEqual(found);
  });

  it('are missing if neither files nor copy have them, and the error names model, file and both digests', () => {
    const { file, digest } = write(1);
    const { digest: onDisk } = write(2);
    const find = (): unknown => store.find('a', file, digest);
    expect(find).toThrow(WeightsMissingError);
    expect(find).toThrow(
      `weights of model a with digest ${digest.slice(0, 8)}, but ${file} has digest ${onDisk.slice(0, 8)}, and ${copies} has no copy`,
    );
    rmSync(join(dir, 'w.data'));
    expect(find).toThrow(/a\.onnx cannot be used: .*w\.data/);
    rmSync(file);
    expect(find).toThrow(`${file} cannot be used: it does not exist, and ${copies} has no copy`);
  });

  it('are copied again if somebody has changed the copy', () => {
    const { file, digest } = write(1);
    const changed = join(copies, digest, 'w.data');
    store.find('a', file, digest);
    chmodSync(changed, 0o644);
    writeFileSync(changed, new Uint8Array(8).fill(9));
    expect(modelDigest(store.find('a', file, digest).file)).toBe(digest);
    expect([...readFileSync(changed)]).toEqual([...new Uint8Array(8).fill(1)]);
  });

  it('are served from the file if no copy can be made, with a warning', () => {
    const { file, digest } = write(1);
    writeFileSync(join(dir, '.cascade'), 'a file where the folder would be');
    expect(store.find('a', file, digest)).toEqual({ file, uncopied: expect.stringContaining('.cascade') });
  });
});

describe('copies', () => {
  it('are read-only and ignored by git', () => {
    const { file, digest } = write(1);
    expect(statSync(store.find('a', file, digest).file).mode & 0o222).toBe(0);
    expect(readFileSync(join(dir, '.cascade', '.gitignore'), 'utf8')).toBe('*\n');
  });

  it('of the last ten weights used are kept for each model', () => {
    const used = (value: number, at: number): string => {
      const { file, digest } = write(value);
      store.find('a', file, digest);
      utimesSync(join(copies, digest), new Date(at), new Date(at));
      return digest;
    };
    const digests = Array.from({ length: 10 }, (_, i) => used(i, 1_000 * i));
    used(0, 60_000);
    digests.push(used(10, 70_000));
    expect(readdirSync(copies).sort()).toEqual([digests[0], ...digests.slice(2)].sort());
  });

  it('that others are making count for nothing, and are removed when they have been abandoned', () => {
    const used = (value: number): string => {
      const { file, digest } = write(value);
      store.find('a', file, digest);
      return digest;
    };
    const digests = Array.from({ length: 10 }, (_, i) => used(i));
    for (const name of ['new.1.tmp', 'new.2.tmp', 'old.tmp']) mkdirSync(join(copies, name));
    utimesSync(join(copies, 'old.tmp'), new Date(0), new Date(0));
    rmSync(join(copies, digests[0]), { recursive: true });
    used(0);
    expect(readdirSync(copies).sort()).toEqual([...digests, 'new.1.tmp', 'new.2.tmp'].sort());
  });
});
