import { expect, test } from 'vitest';
import { requireLocalCores, sharingWarnings } from '../../../../../plans/domain/deployment/local-cores.ts';

const device = { id: 'a', kind: 'cpu', host: 'local', memoryBytes: 1, cores: [1, 2] } as const;

test('a device may be pinned only to cores that this process may use', () => {
  expect(() => requireLocalCores({ file: 'd.yaml' }, device, [1, 2, 3])).not.toThrow();
  expect(() => requireLocalCores({ file: 'd.yaml' }, device, [2])).toThrow(
    'd.yaml: device a: cores: 1 is not available here; this process may use core 2',
  );
  expect(() => requireLocalCores({ file: 'd.yaml' }, device, [0, 2])).toThrow('this process may use cores 0, 2');
});

test('devices on one host that share a core or a GPU get a warning; plans count on both', () => {
  const gpu = { ...device, kind: 'cuda', deviceId: 0 } as const;
  const warnings = (...devices: Parameters<typeof sharingWarnings>[0]['devices']) =>
    sharingWarnings({ file: '/nowhere/d.yaml', devices }).map((warning) => warning.replace(/^\S+: /, ''));
  expect(warnings(device, { ...device, id: 'b', cores: [2, 3] })).toEqual([
    'devices a and b are both pinned to core 2: each slows the other down, and plans count on both; give each its own',
  ]);
  expect(warnings(gpu, { ...gpu, id: 'b' })).toEqual([
    'devices a and b are both on CUDA device 0: each slows the other down, and plans count on both; give each its own',
  ]);
  const elsewhere = { host: 'h2', id: 'b' };
  expect(warnings(device, { ...device, ...elsewhere }, gpu, { ...gpu, ...elsewhere })).toEqual([]);
});
