import { fileURLToPath } from 'node:url';
import { Subject } from 'rxjs';
import { expect, test } from 'vitest';
import { childProcess$, ProcessEnded } from '../../engine/process/child-process.ts';
import { entry } from '../../engine/source.ts';

const { execArgv } = entry('actors/main');
const life = fileURLToPath(new URL('../../actors/processes/life.ts', import.meta.url));

/** Starts a child that reports that it is ready and then runs `program`; returns how it ended. */
function endOf(program: string, onReady: (pid: number, stop: () => void) => void = () => undefined): Promise<unknown> {
  const code = `
    const { reportReady } = await import(${JSON.stringify(life)});
    setInterval(() => undefined, 1_000);
    reportReady();
    ${program}`;
  const stopping$ = new Subject<void>();
  return new Promise((resolve) => {
    childProcess$({ args: [...execArgv, '--input-type=module', '-e', code], graceMs: 60_000 }, stopping$).subscribe({
      next: (pid) => onReady(pid, () => stopping$.next()),
      error: resolve,
      complete: () => resolve('complete'),
    });
  });
}

const KILLED = /ended with SIGKILL: killed, as it made no progress for over 2000 ms/;

test('a child whose event loop is blocked is killed, even though its process runs', async () => {
  const end = await endOf('setTimeout(() => { for (;;); }, 300);');
  expect(end).toBeInstanceOf(ProcessEnded);
  expect((end as Error).message).toMatch(KILLED);
});

test('a child that is stopped is killed, even while it should drain', async () => {
  const stopped = await endOf('', (pid) => process.kill(pid, 'SIGSTOP'));
  expect((stopped as Error).message).toMatch(KILLED);
  const draining = await endOf('', (pid, stop) => {
    process.kill(pid, 'SIGSTOP');
    stop();
  });
  expect(draining).toBe('complete');
});
