import type { FeedCursor, FeedRecord, FeedSink, Undecodable } from '@nva/ports';

export type SinkCall =
  | { readonly call: 'restart'; readonly reason: string }
  | { readonly call: 'record'; readonly record: FeedRecord; readonly cursor: FeedCursor }
  | { readonly call: 'complete'; readonly cursor: FeedCursor | null }
  | { readonly call: 'undecodable'; readonly failure: Undecodable; readonly cursor: FeedCursor }
  | { readonly call: 'interrupted'; readonly cause: Error }
  | { readonly call: 'resumed' };

const UNTIL_TIMEOUT_MS = 120_000;

/** Keeps everything a transport tells, in order, and lets a test wait for some of it. */
export class CollectingSink implements FeedSink {
  readonly calls: SinkCall[] = [];
  readonly #waiting = new Set<() => void>();

  get records(): FeedRecord[] {
    return this.calls.flatMap((call) => (call.call === 'record' ? [call.record] : []));
  }

  get lastCursor(): FeedCursor | undefined {
    return this.calls.flatMap((call) => (call.call === 'record' ? [call.cursor] : [])).at(-1);
  }

  count(name: SinkCall['call']): number {
    return this.calls.filter(({ call }) => call === name).length;
  }

  /** Names of the calls, the same one after another told once. */
  get story(): string[] {
    return this.calls.map(({ call }) => call).filter((call, i, all) => call !== all[i - 1]);
  }

  /** Rejects with what was told instead if it does not come true. */
  until(holds: () => boolean, what: string): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (!holds()) return;
        this.#waiting.delete(look);
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(
        () =>
          reject(new Error(`Waited ${UNTIL_TIMEOUT_MS} ms for: ${what}. Told: ${this.story.join(', ')}; ${this.records.length} records`)),
        UNTIL_TIMEOUT_MS,
      );
      this.#waiting.add(look);
    });
  }

  untilComplete(times = 1): Promise<void> {
    return this.until(() => this.count('complete') >= times, `complete (${times})`);
  }

  restart(reason: string): void {
    this.#told({ call: 'restart', reason });
  }
  record(record: FeedRecord, cursor: FeedCursor): void {
    this.#told({ call: 'record', record, cursor });
  }
  complete(cursor: FeedCursor | null): void {
    this.#told({ call: 'complete', cursor });
  }
  undecodable(failure: Undecodable, cursor: FeedCursor): void {
    this.#told({ call: 'undecodable', failure, cursor });
  }
  interrupted(cause: Error): void {
    this.#told({ call: 'interrupted', cause });
  }
  resumed(): void {
    this.#told({ call: 'resumed' });
  }

  #told(call: SinkCall): void {
    this.calls.push(call);
    for (const look of this.#waiting) look();
  }
}
