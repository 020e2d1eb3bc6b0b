import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    reporters: ['default', './test/reporter.ts'],
    globalSetup: './test/support/install-programs.ts',
    // Snapshots hold plain text, also where CI or FORCE_COLOR asks for colours.
    env: { NO_COLOR: '1' },
    // Only there to end what hangs: a busy machine takes many times as long as an idle one.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // Files run two at a time: on two cores, more of those that start servers and pinned processes would starve each other.
    maxWorkers: 2,
    // In this order: what only computes, one file on each core; then what also waits.
    projects: [
      { extends: true, test: { name: 'computing', include: ['test/{unit,simulation}/**/*.test.ts'] } },
      { extends: true, test: { name: 'serving', include: ['test/{integration,e2e}/**/*.test.ts'] } },
    ],
  },
});
