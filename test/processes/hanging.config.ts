import { defineConfig } from 'vitest/config';

/** One file in the suite's own way of running, for killed-run.e2e.spec.ts. */
export default defineConfig({
  test: { include: ['test/processes/hanging-run.ts'], globalSetup: ['test/processes/hanging-setup.ts'], execArgv: ['--conditions=source'] },
});
