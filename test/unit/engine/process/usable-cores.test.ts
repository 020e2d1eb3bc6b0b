import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { canPin } from '../../../../engine/backend/pin-thread.ts';
import { parseCoreList, usableCores } from '../../../../engine/process/usable-cores.ts';
import { entry } from '../../../../engine/source.ts';

test('reads ranges and single cores as Linux lists them', () => {
  expect(parseCoreList('0')).toEqual([0]);
  expect(parseCoreList('0-2,5,8-9')).toEqual([0, 1, 2, 5, 8, 9]);
});

test.runIf(canPin())('leaves out the cores that an affinity mask forbids', () => {
  const last = usableCores().at(-1)!;
  const { execArgv } = entry('actors/main');
  const url = new URL('../../../../engine/process/usable-cores.ts', import.meta.url).href;
  const program = `const { usableCores } = await import(${JSON.stringify(url)}); console.log(JSON.stringify(usableCores()));`;
  const command = [process.execPath, ...execArgv, '--input-type=module', '-e', program];
  expect(execFileSync('taskset', ['-c', String(last), ...command], { encoding: 'utf8' })).toBe(`[${last}]\n`);
});
