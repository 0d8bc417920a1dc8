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
    // Vitest takes CommonJS below a folder named «es» for ES modules and evaluates it a second time, wherever the checkout lies.
    server: { deps: { external: [/\/node_modules\//] } },
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
