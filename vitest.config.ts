import { defineConfig } from 'vitest/config';

// Libraries are tested from their sources (the `source` condition of their exports), child processes and workers included.
export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    include: ['{libs,apps,test}/**/*.{unit,int,e2e,sim}.spec.ts'],
    exclude: ['**/node_modules/**', '**/dist/**', '.cache/**'],
    globalSetup: ['test/kafka/global-setup.ts'],
    execArgv: ['--conditions=source'],
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
