import type { Reporter, TestModule, TestRunEndReason, TestSuite } from 'vitest/node';

/**
 * Ends stdout with `N passed, N failed`, and `, N skipped` if any, alone on the last line: the line that our CI reads. What
 * fails beside the tests (a file that does not load, a hook, an unhandled rejection) counts as failed, so that the line never
 * says 0 failed for a run that has failed.
 */
export default class ClosingLineReporter implements Reporter {
  #line = '0 passed, 1 failed';

  onInit(): void {
    // Other reporters and coverage print after the run has ended.
    process.once('exit', () => process.stdout.write(`${this.#line}\n`));
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[], reason: TestRunEndReason): void {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      counts.failed += brokenSuites(module);
      for (const test of module.children.allTests()) counts[test.result().state]++;
    }
    // A test that never ended is no success.
    counts.failed += counts.pending;
    if (reason !== 'passed' && counts.failed === 0) counts.failed = 1;
    this.#line = `${counts.passed} passed, ${counts.failed} failed${counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''}`;
  }
}

/** Files and suites with an error of their own: at loading, in a hook. */
function brokenSuites(suite: TestModule | TestSuite): number {
  let count = suite.errors().length > 0 ? 1 : 0;
  for (const child of suite.children.suites()) count += brokenSuites(child);
  return count;
}
