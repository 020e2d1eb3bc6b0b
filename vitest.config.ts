import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/{unit,integration,simulation,e2e}/**/*.test.ts'],
    // Integration and end-to-end tests start servers and pinned processes: on two cores, side by side they would starve each other.
    fileParallelism: false,
    reporters: ['default', './test/reporter.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
