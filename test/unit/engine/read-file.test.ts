import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { readModelInterface } from '../../../engine/backend/onnx-file.ts';
import { ConfigError } from '../../../engine/errors.ts';
import { decodeText, headOf, readBytes, readText } from '../../../engine/read-file.ts';

const dir = mkdtempSync(join(tmpdir(), 'cascade-read-'));
afterAll(() => rmSync(dir, { recursive: true }));

function write(name: string, content: Uint8Array | string = ''): string {
  writeFileSync(join(dir, name), content);
  return join(dir, name);
}

it('reads text without its byte order mark', () => {
  expect(readText(write('plain.txt', '\ufeffgrün\n'))).toBe('grün\n');
});

it.each([
  ['names.txt is not text in UTF-8 (line 2); save it as UTF-8', Buffer.from('rot\ngr\xfcn\n', 'latin1')],
  ['names.txt is not text in UTF-8 (line 1); save it as UTF-8', Buffer.from('gr\xfcn', 'latin1')],
  ['names.txt is text in UTF-16; save it as UTF-8', Buffer.from('\ufeffgrün', 'utf16le')],
  ['names.txt is text in UTF-16; save it as UTF-8', Buffer.from('\ufeffgrün', 'utf16le').swap16()],
])('says "%s"', (message, bytes) => {
  expect(() => decodeText(bytes, 'names.txt')).toThrow(new ConfigError(message));
});

it('refuses more text than a string can hold', () => {
  expect(() => decodeText(new Uint8Array(2 ** 29), 'x.jsonl')).toThrow(
    new ConfigError('x.jsonl holds more than 512 MiB of text; split it, or use fewer samples'),
  );
});

it.each([readBytes, readText, headOf])('%o says why a file cannot be read', (read) => {
  mkdirSync(join(dir, 'folder'), { recursive: true });
  expect(() => read(join(dir, 'folder'))).toThrow(new ConfigError(`${join(dir, 'folder')} is a folder, not a file`));
  expect(() => read(join(dir, 'absent'))).toThrow(new ConfigError(`${join(dir, 'absent')} does not exist`));
});

it('refuses files above 2 GiB, and says what to do', () => {
  const data = write('x.npy');
  const model = write('m.onnx');
  for (const file of [data, model]) truncateSync(file, 2 ** 31 + 1);
  expect(() => readBytes(data, 'x.npy')).toThrow(new ConfigError('x.npy is larger than 2 GiB; split it, or use fewer samples'));
  expect(() => readModelInterface(model, {})).toThrow(
    new ConfigError(`${model} is larger than 2 GiB; export the model with its weights in files beside it (external data)`),
  );
});

it.skipIf(process.getuid?.() === 0)('says that a file may not be read', () => {
  const file = join(dir, 'secret');
  writeFileSync(file, 'x', { mode: 0 });
  for (const read of [readBytes, headOf, (path: string) => readModelInterface(path, {})]) {
    expect(() => read(file)).toThrow(`${file} cannot be read: this user has no permission`);
  }
});
