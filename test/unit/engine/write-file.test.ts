import { execFileSync } from 'node:child_process';
import fs, {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { ConfigError } from '../../../engine/errors.ts';
import { requireWritable, whyUnwritable, writeWhole } from '../../../engine/write-file.ts';

let dir: string;
const at = (name: string): string => join(dir, name);

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cascade-write-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
});

const isRoot = process.getuid?.() === 0;

/** With read permission only; root may write it all the same. */
function readOnlyFolder(): string {
  mkdirSync(at('folder'));
  writeFileSync(at('folder/there'), 'old and longer');
  chmodSync(at('folder'), 0o555);
  onTestFinished(() => chmodSync(at('folder'), 0o755));
  return at('folder');
}

describe('a whole file', () => {
  test('replaces the old one, with its permissions, and leaves nothing else', () => {
    writeFileSync(at('out'), 'old');
    chmodSync(at('out'), 0o602);
    const reader = openSync(at('out'), 'r');
    writeWhole(at('out'), 'new');
    // Whoever had it open reads the old text to its end.
    expect(readFileSync(reader, 'utf8')).toBe('old');
    closeSync(reader);
    expect(readFileSync(at('out'), 'utf8')).toBe('new');
    expect(statSync(at('out')).mode & 0o777).toBe(0o602);
    expect(readdirSync(dir)).toEqual(['out']);
  });

  test('is as private while it is written as the old one', () => {
    writeFileSync(at('out'), 'old');
    chmodSync(at('out'), 0o600);
    const modes: number[] = [];
    const chmod = vi.spyOn(fs, 'chmodSync').mockImplementation((partial) => modes.push(statSync(partial).mode & 0o777));
    syncBuiltinESMExports();
    onTestFinished(() => {
      chmod.mockRestore();
      syncBuiltinESMExports();
    });
    writeWhole(at('out'), 'new');
    expect(modes).toEqual([0o600]);
  });

  test('has all the names that the old one had', () => {
    writeFileSync(at('out'), 'old');
    linkSync(at('out'), at('second'));
    writeWhole(at('out'), 'new');
    expect(readFileSync(at('second'), 'utf8')).toBe('new');
    expect(readdirSync(dir).sort()).toEqual(['out', 'second']);
  });

  test.skipIf(!isRoot).each(['root', 'another member of its group'])('belongs to whom the old one belonged: by %s', (writer) => {
    writeFileSync(at('out'), 'old');
    chownSync(at('out'), 1002, 2000);
    chmodSync(at('out'), 0o660);
    chmodSync(dir, 0o777);
    const oldFile = statSync(at('out')).ino;
    if (writer !== 'root') {
      process.setegid?.(2000);
      process.seteuid?.(1001);
    }
    try {
      writeWhole(at('out'), 'new');
    } finally {
      process.seteuid?.(0);
      process.setegid?.(0);
    }
    expect(readFileSync(at('out'), 'utf8')).toBe('new');
    const { uid, gid, mode, ino } = statSync(at('out'));
    expect({ uid, gid, mode: mode & 0o777 }).toEqual({ uid: 1002, gid: 2000, mode: 0o660 });
    expect(ino === oldFile).toBe(writer !== 'root');
    expect(readdirSync(dir)).toEqual(['out']);
  });

  test.each(['an old file', undefined])('is written through links: to %s', (old) => {
    mkdirSync(at('shared'));
    if (old !== undefined) writeFileSync(at('shared/target'), old);
    symlinkSync('target', at('shared/second'));
    symlinkSync('shared/second', at('first'));
    writeWhole(at('first'), 'new');
    expect(readFileSync(at('shared/target'), 'utf8')).toBe('new');
    expect(['first', 'shared/second'].map((name) => lstatSync(at(name)).isSymbolicLink())).toEqual([true, true]);
    expect(readdirSync(at('shared')).sort()).toEqual(['second', 'target']);
  });

  test('goes into a pipe, also through a link, and does not replace it', () => {
    execFileSync('mkfifo', [at('pipe')]);
    symlinkSync('pipe', at('link'));
    const reader = openSync(at('pipe'), constants.O_RDONLY | constants.O_NONBLOCK);
    for (const name of ['pipe', 'link']) {
      writeWhole(at(name), name);
      const bytes = Buffer.alloc(10);
      expect(bytes.toString('utf8', 0, readSync(reader, bytes))).toBe(name);
    }
    closeSync(reader);
    expect(lstatSync(at('pipe')).isFIFO()).toBe(true);
    expect(lstatSync(at('link')).isSymbolicLink()).toBe(true);
  });

  test('is written in place where no other file can take its place', () => {
    const folder = readOnlyFolder();
    // A name that leaves no room for a temporary file beside it.
    const long = 'x'.repeat(255);
    for (const file of [join(folder, 'there'), at(long)]) {
      writeWhole(file, 'new');
      expect(readFileSync(file, 'utf8')).toBe('new');
    }
    expect(readdirSync(dir).sort()).toEqual(['folder', long]);
  });

  test.each(['absent/out', 'folder'])('that cannot be written is refused by its name: %s', (name) => {
    mkdirSync(at('folder'));
    expect(() => writeWhole(at(name), 'new', `--out ${name}`)).toThrow(ConfigError);
    expect(() => writeWhole(at(name), 'new', `--out ${name}`)).toThrow(`--out ${name} cannot be written: E`);
    expect(readdirSync(dir)).toEqual(['folder']);
  });
});

describe('before the work', () => {
  test('a file, new or there, and a link to either may be written', () => {
    writeFileSync(at('there'), '');
    symlinkSync('there', at('to-there'));
    symlinkSync('new', at('to-new'));
    for (const name of ['there', 'new', 'to-there', 'to-new']) expect(whyUnwritable(at(name))).toBeUndefined();
  });

  test('a folder, and what no folder has, is refused, also behind a link', () => {
    symlinkSync('.', at('to-folder'));
    symlinkSync('absent/out', at('to-absent'));
    symlinkSync('loop', at('loop'));
    expect(() => requireWritable(dir, 'the result')).toThrow(new ConfigError('the result is a folder; name a file'));
    expect(whyUnwritable(at('to-folder'))).toBe('is a folder; name a file');
    for (const name of ['absent/out', 'to-absent']) expect(whyUnwritable(at(name))).toMatch(/^cannot be written: ENOENT/);
    expect(whyUnwritable(at('loop'))).toMatch(/^cannot be written: ELOOP/);
  });

  test.skipIf(isRoot)('a read-only file is refused, as it is by the writer', () => {
    writeFileSync(at('out'), 'old');
    chmodSync(at('out'), 0o444);
    expect(whyUnwritable(at('out'))).toMatch(/^cannot be written: EACCES/);
    expect(() => writeWhole(at('out'), 'new')).toThrow('cannot be written: EACCES');
    expect(readFileSync(at('out'), 'utf8')).toBe('old');
  });

  test.skipIf(isRoot)('a new file in a folder without permission is refused, but not one that may be written', () => {
    const folder = readOnlyFolder();
    expect(whyUnwritable(join(folder, 'there'))).toBeUndefined();
    expect(whyUnwritable(join(folder, 'new'))).toMatch(/^cannot be written: EACCES/);
  });
});
