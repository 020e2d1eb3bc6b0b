import { type ChildProcess, spawn } from 'node:child_process';
import { Observable } from 'rxjs';
import { entry } from '../../engine/source.ts';

/** How much of the command's output to keep: the end says how it went. */
const KEPT_CHARACTERS = 2_000;

/**
 * Runs `cascade replan` as a separate process, because planning takes long. Emits the end of its output, or errors with it if it failed.
 * Unsubscribing ends it.
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
        subscriber.error(new Error(`cascade replan exited with ${signal ?? `code ${code}`}: ${words}`));
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
