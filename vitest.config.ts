import { defineConfig } from 'vitest/config';
import { plantedBug } from './scripts/planted-bug.ts';
import { textFiles } from './scripts/text-files.ts';

interface Suite {
  /** Tests that take longer than this hang. */
  testTimeoutMs: number;
  /** Gets the shared Redis and PostgreSQL of test/servers. */
  servers: boolean;
}

const suites: Record<string, Suite> = {
  unit: { testTimeoutMs: 5_000, servers: false },
  property: { testTimeoutMs: 60_000, servers: true },
  integration: { testTimeoutMs: 20_000, servers: true },
  sim: { testTimeoutMs: 120_000, servers: false },
  model: { testTimeoutMs: 300_000, servers: false },
  chaos: { testTimeoutMs: 120_000, servers: true },
  dist: { testTimeoutMs: 60_000, servers: true },
  e2e: { testTimeoutMs: 60_000, servers: true },
};

export default defineConfig({
  test: {
    globalSetup: 'test/servers/global-setup.ts',
    // The unit tests and the first schedules of the simulator reach every branch of these, with seeds that never
    // change.
    coverage: {
      include: ['src/core/**/*.ts', 'src/engine/**/*.ts'],
      reporter: 'text',
      thresholds: { perFile: true, branches: 100 },
    },
    projects: Object.entries(suites).map(([name, { testTimeoutMs, servers }]) => ({
      plugins: [textFiles(), plantedBug()],
      test: {
        name,
        include: [`test/${name}/**/*.test.ts`],
        testTimeout: testTimeoutMs,
        hookTimeout: testTimeoutMs,
        setupFiles: ['test/support/sequences.ts', ...(servers ? ['test/servers/setup.ts'] : [])],
        provide: { usesServers: servers },
      },
    })),
  },
});
