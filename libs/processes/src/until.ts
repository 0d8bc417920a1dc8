import { sleep, systemClock } from '@nva/ports';

const POLL_MS = 15;
/** Default limit in milliseconds: for processes that hang, not for slow ones. */
const LIMIT_MS = 120_000;

/** The awaited state did not come in time. The message says what was lacking. */
export class WaitedTooLong extends Error {
  override readonly name = 'WaitedTooLong';
}

/**
 * Repeats until `lacking` returns null. Until then it returns a text that says what is lacking, and the error finally repeats
 * that text. Rejects with WaitedTooLong after `limitMs`.
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
