import { setTimeout } from 'node:timers/promises';

const AGAIN_MS = 50;

/** Asks again until it is answered without an error. @throws the last error when that takes too long. */
export async function until<T>(timeoutMs: number, ask: () => Promise<T>): Promise<T> {
  for (const giveUpAt = performance.now() + timeoutMs; ; await setTimeout(AGAIN_MS)) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() > giveUpAt) throw error;
    }
  }
}
