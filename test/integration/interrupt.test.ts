import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { entry } from '../../engine/source.ts';

const { execArgv } = entry('actors/main');
const life = fileURLToPath(new URL('../../actors/processes/life.ts', import.meta.url));

test('the first Ctrl-C asks a process to drain, the second ends it as if nobody had listened', async () => {
  // Its drain takes for ever.
  const program = `
    setInterval(() => undefined, 1_000);
    const { askedToStop } = await import(${JSON.stringify(life)});
    const why = askedToStop();
    process.stdout.write('up');
    process.stdout.write(await why);`;
  const child = spawn(process.execPath, [...execArgv, '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  let said = '';
  const saying = async (words: string): Promise<void> => {
    while (said !== words) said += ((await once(child.stdout, 'data')) as [Buffer])[0];
  };
  await saying('up');
  child.kill('SIGINT');
  await saying('upSIGINT');
  child.kill('SIGINT');
  expect(await ended).toEqual([null, 'SIGINT']);
});
