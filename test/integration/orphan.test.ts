import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { entry } from '../../engine/source.ts';

const { execArgv } = entry('actors/main');
const life = fileURLToPath(new URL('../../actors/processes/life.ts', import.meta.url));

test('a process whose parent was gone before it could listen ends, and still reports that it is ready', async () => {
  const program = `
    if (process.connected) await new Promise((resolve) => process.once('disconnect', resolve));
    const { askedToStop, reportReady } = await import(${JSON.stringify(life)});
    reportReady();
    process.stdout.write(await askedToStop());`;
  const child = spawn(process.execPath, [...execArgv, '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  let said = '';
  child.stdout?.on('data', (data) => {
    said += data;
  });
  child.disconnect();
  const [[code]] = await Promise.all([once(child, 'exit'), once(child.stdout!, 'end')]);
  expect([code, said]).toEqual([0, 'parent is gone']);
});
