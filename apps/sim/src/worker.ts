import { parentPort } from 'node:worker_threads';
import { play } from './history.ts';
import { planOf } from './plan.ts';
import type { Told } from './pool.ts';

/** Plays the histories of the given seeds one after the other, then asks for more. */
parentPort!.on('message', async (seeds: readonly number[]) => {
  for (const seed of seeds) parentPort!.postMessage({ seed, played: await play(planOf(seed)) } satisfies Told, []);
  parentPort!.postMessage(null, []);
});
