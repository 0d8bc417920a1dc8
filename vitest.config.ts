import { defineConfig } from 'vitest/config';

// Libraries are tested from their sources (the `source` condition of their exports), child processes and workers included.
const resolve = { conditions: ['source'] };
const SPECS = '**/*.{unit,int,e2e,sim}.spec.ts';
const CLUSTER = `test/cluster/${SPECS}`;

export default defineConfig({
  test: {
    maxWorkers: 2,
    reporters: ['default', './test/project/slowest.ts'],
    // One after the other: the cluster's dozen processes would leave the other specs no time to be in time.
    projects: [project('specs', 0, [`{libs,apps,test}/${SPECS}`], [CLUSTER]), project('cluster', 1, [CLUSTER])],
  },
});

function project(name: string, groupOrder: number, include: string[], exclude: string[] = []) {
  return {
    resolve,
    ssr: { resolve },
    test: {
      name,
      include,
      exclude: ['**/node_modules/**', '**/dist/**', '.cache/**', ...exclude],
      sequence: { groupOrder },
      globalSetup: ['test/kafka/global-setup.ts'],
      setupFiles: ['test/project/properties.ts'],
      execArgv: ['--conditions=source'],
      // Vitest takes CommonJS below a folder named «es» for ES modules and evaluates it a second time, wherever the checkout lies.
      server: { deps: { external: [/\/node_modules\//] } },
      // Ends what hangs, and nothing that is slow: what a test waits for has its own bound.
      testTimeout: 300_000,
      hookTimeout: 300_000,
      expect: { poll: { timeout: 240_000 } },
    },
  };
}
