import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Played } from './history.ts';

/** Seeds that a thread is given at a time. */
const SEEDS_TOGETHER = 8;

/** What became of a history. */
export interface Told {
  readonly seed: number;
  readonly played: Played;
}

/**
 * Plays histories in as many threads as there are cores; calls `told` with each as it ends. Ends with `count` of them, or when
 * `goesOn` says no. Throws if a thread dies.
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
