import type { Logger } from '@nva/ports';

/**
 * Counts and logs unhandled rejections. Each one is a defect that affects a single request. The process continues, so that no
 * caller can end it for the others; the log has the error, and a metric counts it that should be 0.
 */
export class LastResort {
  readonly #logger: Logger;
  #rejections = 0;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get rejections(): number {
    return this.#rejections;
  }

  take(cause: unknown): void {
    this.#rejections++;
    this.#logger.error('a rejected promise was handled nowhere: this is a defect, and the process goes on', { err: cause });
  }
}
