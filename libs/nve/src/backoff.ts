/** Delay before the first retry, in the middle of its jitter. */
export const FIRST_RETRY_MS = 500;
/** The delay doubles up to this. */
export const MAX_RETRY_MS = 30_000;
/** Retry of what only an operator can put right: a refused token, a feed that is not there. */
export const REFUSED_RETRY_MS = 15_000;

/** How long to wait before try number `attempt` (0 is the first retry), in milliseconds, spread over 50 to 150 % by `random` in [0, 1). */
export function retryDelayMs(attempt: number, refused: boolean, random: number): number {
  const middle = refused ? REFUSED_RETRY_MS : Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempt, 16));
  return Math.round(middle * (0.5 + random));
}
