import { expect, test } from 'vitest';
import { requireLocalCores } from '../../../../../plans/domain/deployment/local-cores.ts';

const device = { id: 'a', kind: 'cpu', host: 'local', memoryBytes: 1, cores: [1, 2] } as const;

test('a device may be pinned only to cores that this process may use', () => {
  expect(() => requireLocalCores({ file: 'd.yaml' }, device, [1, 2, 3])).not.toThrow();
  expect(() => requireLocalCores({ file: 'd.yaml' }, device, [2])).toThrow(
    'd.yaml: device a: cores: 1 is not available here; this process may use core 2',
  );
  expect(() => requireLocalCores({ file: 'd.yaml' }, device, [0, 2])).toThrow('this process may use cores 0, 2');
});
