import { vi } from 'vitest';

/** Longer than anything takes on a busy machine, but shorter than the timeout of a test: only a defect reaches it. */
const TIMEOUT_MS = 120_000;

/** Waits until an expectation holds. */
export function eventually<T>(
  expectation: () => T | Promise<T>,
  options: { readonly timeout?: number; readonly interval?: number } = {},
): Promise<T> {
  return vi.waitFor(expectation, { timeout: TIMEOUT_MS, interval: 10, ...options });
}
