import { readFileSync } from 'node:fs';
import { expect } from 'vitest';

/** Less than the limit of a test (`testTimeout`), which would end it without a word of what was found. */
const LIMIT_MS = 240_000;

/**
 * A property that does not hold is shortened before it is told, and that may take longer than a test may. After this time it is told as
 * far as it was shortened. One that has held until then is done: a slow machine tries fewer cases, and fails none.
 */
const { testPath } = expect.getState();
if (testPath !== undefined && readFileSync(testPath, 'utf8').includes("'fast-check'")) {
  const { configureGlobal } = await import('fast-check');
  configureGlobal({ interruptAfterTimeLimit: LIMIT_MS });
}
