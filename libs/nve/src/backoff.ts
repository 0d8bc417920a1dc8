/** Delay before the first retry, in the middle of its jitter. */
export const FIRST_RETRY_MS = 500;
/** The delay doubles up to this. */
export const MAX_RETRY_MS = 30_000;
/** Delay of a retry that is not expected to succeed soon: a refused token, a feed that does not exist, too many streams. */
export const REFUSED_RETRY_MS = 15_000;

/**
 * How long to wait before try number `attempt` (0 is the first retry), in milliseconds, spread over 50 to 150 % by `random` in
 * [0, 1). If the server said when to come again: not earlier, and up to half as much later.
 */
export function retryDelayMs(attempt: number, refused: boolean, random: number, retryAfterMs: number | null = null): number {
  if (retryAfterMs !== null) return Math.round(Math.max(retryAfterMs, FIRST_RETRY_MS) * (1 + random / 2));
  const middle = refused ? REFUSED_RETRY_MS : Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempt, 16));
  return Math.round(middle * (0.5 + random));
}
