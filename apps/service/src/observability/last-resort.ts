import type { Logger } from '@nva/ports';

/**
 * Rejections that nobody waited for. Each is a defect, and one of a single request: the process goes on, so that no caller can end
 * it for the others; what went wrong is in the log, and on a metric that should be 0.
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
