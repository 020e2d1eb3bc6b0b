import { type ChildProcess, spawn } from 'node:child_process';
import { Observable } from 'rxjs';
import { entry } from '../../engine/source.ts';

/** What is kept of the command's words: the last of them say how it ended. */
const KEPT_CHARACTERS = 2_000;

/**
 * `cascade replan` as a process of its own, as planning takes long: emits what it said at the end, and errors with that when
 * it could not. Ended when unsubscribed.
 */
export function replanChild(args: readonly string[], environment: Readonly<Record<string, string>>): Observable<string> {
  return new Observable((subscriber) => {
    const main = entry('actors/main');
    const child: ChildProcess = spawn(process.execPath, [...main.execArgv, main.path, 'replan', ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...environment },
    });
    let said = '';
    child.stderr?.on('data', (data: Buffer) => {
      said = `${said}${data}`.slice(-KEPT_CHARACTERS);
    });
    child.on('error', (error) => subscriber.error(error));
    child.on('close', (code, signal) => {
      const words = said.trim();
      if (code !== 0) {
        subscriber.error(new Error(`cascade replan ended with ${signal ?? `code ${code}`}: ${words}`));
        return;
      }
      subscriber.next(words);
      subscriber.complete();
    });
    return () => {
      child.kill('SIGTERM');
    };
  });
}
