import type { RecordedEvent } from '@nva/ports';

/**
 * Committed events on their way to one subscriber, bounded. A subscriber that falls further behind is cut off (`take` gives null)
 * and goes back to reading the file. So a slow subscriber costs a read, but no memory, and never delays an append.
 */
export class LiveFeed {
  readonly #maxEvents: number;
  #queue: (readonly RecordedEvent[])[] = [];
  #events = 0;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(maxEvents: number) {
    this.#maxEvents = maxEvents;
  }

  push(events: readonly RecordedEvent[]): void {
    if (this.#ended) return;
    this.#queue.push(events);
    this.#events += events.length;
    if (this.#events > this.#maxEvents) this.end();
    else this.#wake?.();
  }

  /** Nothing follows; events that were not taken are dropped. */
  end(): void {
    this.#ended = true;
    this.#queue = [];
    this.#events = 0;
    this.#wake?.();
  }

  /** The next events, joined from what waits to about `maxEvents`; null at the end. One caller at a time. */
  async take(maxEvents: number): Promise<readonly RecordedEvent[] | null> {
    while (!this.#ended && this.#queue.length === 0) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
    const first = this.#queue.shift();
    if (first === undefined) return null;
    let joined: readonly RecordedEvent[] = first;
    if (this.#queue.length > 0) {
      const more = [...first];
      while (this.#queue.length > 0 && more.length + this.#queue[0]!.length <= maxEvents) more.push(...this.#queue.shift()!);
      joined = more;
    }
    this.#events -= joined.length;
    return joined;
  }
}
