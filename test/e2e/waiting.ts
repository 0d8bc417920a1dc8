import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 15;

/** Looks until nothing is lacking; what `lacking` returns is what the error says in the end. */
export async function until(what: string, lacking: () => string | null | Promise<string | null>, limitMs = 120_000): Promise<void> {
  const giveUpAt = performance.now() + limitMs;
  for (;;) {
    const missing = await lacking();
    if (missing === null) return;
    if (performance.now() > giveUpAt) throw new Error(`${what}: not within ${limitMs} ms: ${missing}`);
    await sleep(POLL_MS);
  }
}
