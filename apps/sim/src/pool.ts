import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Played } from './history.ts';

/** Number of seeds that a thread gets at a time. */
const SEEDS_TOGETHER = 8;

/** The result of a history. */
export interface Told {
  readonly seed: number;
  readonly played: Played;
}

/**
 * Plays histories in `threads` threads, by default one for each core; calls `told` with each result. Ends after `count`
 * histories, or when `goesOn` returns false. Rejects if a thread fails.
 */
export async function playAll(
  firstSeed: number,
  count: number,
  goesOn: () => boolean,
  told: (told: Told) => void,
  threads = availableParallelism(),
): Promise<void> {
  let next = firstSeed;
  const end = firstSeed + count;
  const run = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL('./worker.ts', import.meta.url));
      const give = (): void => {
        if (next >= end || !goesOn()) return void worker.terminate().then(() => resolve());
        const seeds = Array.from({ length: Math.min(SEEDS_TOGETHER, end - next) }, () => next++);
        worker.postMessage(seeds, []);
      };
      worker.on('error', reject);
      worker.on('message', (message: Told | null) => (message === null ? give() : told(message)));
      give();
    });
  await Promise.all(Array.from({ length: Math.max(1, Math.min(threads, count)) }, run));
}
