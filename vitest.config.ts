import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { StallReporter } from './tests/support/stall-reporter.ts';
import { SummaryReporter } from './tests/support/summary-reporter.ts';

/**
 * Two projects, one after the other: what runs inside a test process, then the suites that start whole wheels of
 * processes. Of the first three files at a time on two cores: they wait for a third of their time. Of the second two:
 * each keeps a core busy.
 */
const patient = {
  setupFiles: fileURLToPath(new URL('./tests/support/patience.ts', import.meta.url)),
  expect: { poll: { timeout: 30_000 } },
  ...{ testTimeout: 120_000, hookTimeout: 180_000, teardownTimeout: 20_000 },
};
const ownProcesses = ['tests/**/*.wheel.test.ts', 'tests/**/*.browser.test.ts'];

export default defineConfig({
  test: {
    globalSetup: fileURLToPath(new URL('./tests/support/services-setup.ts', import.meta.url)),
    reporters: ['default', new StallReporter(), new SummaryReporter()],
    projects: [
      {
        test: {
          name: 'parts',
          include: ['tests/**/*.test.ts'],
          exclude: ownProcesses,
          pool: 'forks',
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
          ...patient,
        },
      },
      {
        test: {
          name: 'wheel',
          include: ownProcesses,
          pool: 'forks',
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          ...patient,
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
    ],
  },
});
