import { setTimeout as sleep } from 'node:timers/promises';

const POLL_INTERVAL_MS = 10;

/** What was waited for did not come in time. `last` says how things stood. */
export class WaitedTooLong extends Error {
  override readonly name = 'WaitedTooLong';
}

/** Looks until `lacking` returns null. While it returns text, that is what is still lacking, and what the error says in the end. */
export async function until(what: string, timeoutMs: number, lacking: () => string | null | Promise<string | null>): Promise<void> {
  const giveUpAt = performance.now() + timeoutMs;
  for (;;) {
    const missing = await lacking();
    if (missing === null) return;
    if (performance.now() > giveUpAt) throw new WaitedTooLong(`${what}: not within ${timeoutMs} ms (${missing})`);
    await sleep(POLL_INTERVAL_MS);
  }
}
