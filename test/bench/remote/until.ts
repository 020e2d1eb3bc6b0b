import { setTimeout } from 'node:timers/promises';

const AGAIN_MS = 50;

/** Retries until there is no error. @throws the last error after the timeout. */
export async function until<T>(timeoutMs: number, ask: () => Promise<T>): Promise<T> {
  for (const giveUpAt = performance.now() + timeoutMs; ; await setTimeout(AGAIN_MS)) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() > giveUpAt) throw error;
    }
  }
}
