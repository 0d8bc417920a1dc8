import type { Reporter, TestCase, TestModule } from 'vitest/node';

const TOLD = 10;

/** Tells the slowest tests of a run at its end, so that nobody has to look for what makes it long. */
export default class Slowest implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests: TestCase[] = modules.flatMap((module) => [...module.children.allTests()]);
    if (tests.length <= TOLD) return;
    const took = (test: TestCase): number => test.diagnostic()?.duration ?? 0;
    const slowest = tests.toSorted((a, b) => took(b) - took(a)).slice(0, TOLD);
    process.stdout.write(
      `\nThe slowest ${TOLD} of ${tests.length} tests:\n${slowest.map((test) => `${(took(test) / 1_000).toFixed(1).padStart(7)} s  ${test.module.relativeModuleId}: ${test.fullName}`).join('\n')}\n`,
    );
  }
}
