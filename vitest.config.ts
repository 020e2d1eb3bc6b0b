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
    // Simulations make much garbage that does not live long.
    execArgv: ['--max-semi-space-size=64', '--min-semi-space-size=16'],
    projects: [
      {
        // What only computes: one file on each of two cores. Files share the modules of their process, as loading them takes a fifth of the time.
        extends: true,
        test: {
          name: 'computing',
          include: ['test/{unit,simulation}/**/*.test.ts'],
          maxWorkers: 2,
          isolate: false,
          unstubEnvs: true,
          restoreMocks: true,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Then what also waits. These files start servers and pinned processes: more at a time would starve each other on two cores.
        extends: true,
        test: {
          name: 'serving',
          include: ['test/{integration,e2e}/**/*.test.ts'],
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
