import { sleep, systemClock } from '@nva/ports';

const POLL_MS = 15;
/** Where waiting ends that says nothing else, in milliseconds: it is for what hangs, not for what is slow. */
const LIMIT_MS = 120_000;

/** What was waited for did not come in time. The message says how things stood. */
export class WaitedTooLong extends Error {
  override readonly name = 'WaitedTooLong';
}

/**
 * Looks until `lacking` returns null. While it returns text, that is what is still lacking, and what the error says in the end.
 * Rejects with WaitedTooLong after `limitMs`.
 */
export async function until(what: string, lacking: () => string | null | Promise<string | null>, limitMs = LIMIT_MS): Promise<void> {
  const giveUpAtMs = systemClock.monotonicMs() + limitMs;
  for (;;) {
    const missing = await lacking();
    if (missing === null) return;
    if (systemClock.monotonicMs() > giveUpAtMs) throw new WaitedTooLong(`${what}: not within ${limitMs} ms: ${missing}`);
    await sleep(systemClock, POLL_MS);
  }
}
