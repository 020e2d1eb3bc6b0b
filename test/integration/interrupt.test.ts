import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { entry } from '../../engine/source.ts';

const { execArgv } = entry('actors/main');
const life = fileURLToPath(new URL('../../actors/processes/life.ts', import.meta.url));

/** Prints `up`, then why it should stop; its drain takes for ever, or no time. */
function program(drains: 'for ever' | 'at once'): string[] {
  const text = `
    setInterval(() => undefined, 1_000);
    const { askedToStop } = await import(${JSON.stringify(life)});
    const why = askedToStop();
    process.stdout.write('up ');
    process.stdout.write(await why);
    ${drains === 'at once' ? 'process.exit()' : ''}`;
  return [...execArgv, '--input-type=module', '-e', text];
}

function start(command: string, args: readonly string[], environment: NodeJS.ProcessEnv = process.env) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], env: environment });
  let said = '';
  return {
    child,
    saying: async (words: string): Promise<void> => {
      while (said !== words) said += ((await once(child.stdout, 'data')) as [Buffer])[0];
    },
  };
}

test('the first Ctrl-C asks a process to drain, the second kills it as if there were no handler', async () => {
  const { child, saying } = start(process.execPath, program('for ever'));
  const ended = once(child, 'exit');
  await saying('up ');
  child.kill('SIGINT');
  await saying('up SIGINT');
  child.kill('SIGINT');
  expect(await ended).toEqual([null, 'SIGINT']);
});

test('a closing terminal asks a process to drain', async () => {
  const { child, saying } = start(process.execPath, program('at once'));
  const ended = once(child, 'exit');
  await saying('up ');
  child.kill('SIGHUP');
  await saying('up SIGHUP');
  expect(await ended).toEqual([0, null]);
});

test('a process drains when the npm that started it through a shell is killed', async () => {
  const quoted = [process.execPath, ...program('at once')].map((part) => `'${part.replaceAll("'", "'\\''")}'`).join(' ');
  // `true` keeps the shell from replacing itself with the process.
  const npm = `require('node:child_process').spawn('sh', ['-c', ${JSON.stringify(`${quoted}; true`)}], { stdio: 'inherit' })`;
  const { child, saying } = start(process.execPath, ['-e', npm], { ...process.env, npm_command: 'exec' });
  await saying('up ');
  child.kill('SIGKILL');
  await saying('up npm, which started this process, has ended');
});
