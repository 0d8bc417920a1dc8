import { sleep, systemClock } from '@nva/ports';
import type { KafkaMessage } from 'kafkajs';
import type { RunHandlers } from './consumer-run.ts';

/** Batches that are read but not yet taken by the caller; with this number, reading waits. */
const MAX_QUEUED_BATCHES = 4;
/**
 * How long a read of committed records waits for a transaction, which may be of another writer that is stopped. This is longer
 * than brokers let our transactions be: TRANSACTION_TIMEOUT_MS and up to 10 s more
 * (`transaction.abort.timed.out.transaction.cleanup.interval.ms`).
 */
const MAX_LOOKS = 600;
const LOOK_INTERVAL_MS = 50;

/** Where topics end, unfinished transactions included. */
export type FindEnds = (topics: readonly string[]) => Promise<ReadonlyMap<string, number>>;

export interface ReadBatch {
  readonly topic: string;
  readonly messages: readonly KafkaMessage[];
}

/**
 * The state of a read of several topics: what is still to come, and what has come and was not taken yet. Without `findEnds`, a
 * topic is at its end when a fetch finds nothing more. With `findEnds`, its end must also be reached: committed records become
 * visible a little after the commit was acknowledged, and until then the topic looks as if it ended before them.
 */
export class Reading implements RunHandlers {
  readonly #findEnds: FindEnds | undefined;
  readonly #next = new Map<string, number>();
  readonly #ends = new Map<string, number>();
  readonly #unfinished: Set<string>;
  /** Topics of which a fetch found nothing more before their end, with the number of times they were looked at. */
  readonly #quiet = new Map<string, number>();
  #looking = false;
  readonly #queue: ReadBatch[] = [];
  #failure: Error | undefined;
  #changed: () => void = () => undefined;
  #taken: () => void = () => undefined;

  constructor(topics: readonly string[], findEnds: FindEnds | undefined) {
    this.#unfinished = new Set(topics);
    this.#findEnds = findEnds;
  }

  position(topic: string): number | null {
    return this.#next.get(topic) ?? null;
  }

  async records(topic: string, messages: readonly KafkaMessage[]): Promise<void> {
    if (!this.#unfinished.has(topic)) return;
    while (this.#queue.length >= MAX_QUEUED_BATCHES && this.#failure === undefined)
      await new Promise<void>((resolve) => (this.#taken = resolve));
    const from = this.#next.get(topic) ?? 0;
    const fresh = messages.filter((message) => Number(message.offset) >= from);
    this.#next.set(topic, Number(messages.at(-1)!.offset) + 1);
    if (fresh.length > 0) this.#queue.push({ topic, messages: fresh });
    this.#changed();
  }

  progress(topic: string, next: number, end: number): void {
    if (!this.#ends.has(topic)) this.#ends.set(topic, end);
    this.#next.set(topic, next);
    if (next >= this.#ends.get(topic)!) this.#finish(topic);
  }

  quiet(topic: string): void {
    if (this.#findEnds === undefined) {
      this.#finish(topic);
    } else if (this.#unfinished.has(topic) && !this.#quiet.has(topic)) {
      this.#quiet.set(topic, 0);
      void this.#look(this.#findEnds);
    }
  }

  outOfRange(topic: string): void {
    this.failed(new Error(`Topic ${topic} was deleted while it was read`));
  }

  failed(cause: Error): void {
    this.#failure ??= cause;
    this.#changed();
    this.#taken();
  }

  async *batches(): AsyncGenerator<ReadBatch> {
    try {
      while (this.#queue.length > 0 || this.#unfinished.size > 0) {
        const batch = this.#queue.shift();
        this.#taken();
        if (batch) yield batch;
        else if (this.#failure) throw this.#failure;
        else await new Promise<void>((resolve) => (this.#changed = resolve));
      }
    } finally {
      // If the caller takes no more, the consumer must not wait for room.
      this.#failure ??= new Error('The reading was given up');
      this.#taken();
    }
  }

  /** What is left before the end may still become visible, or may never carry a record: then waiting ends after MAX_LOOKS. */
  async #look(findEnds: FindEnds): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      while (this.#quiet.size > 0 && this.#failure === undefined) {
        const unknown = [...this.#quiet.keys()].filter((topic) => !this.#ends.has(topic));
        if (unknown.length > 0) for (const [topic, end] of await findEnds(unknown)) this.#ends.set(topic, end);
        for (const [topic, looks] of this.#quiet) {
          if (!this.#unfinished.has(topic)) this.#quiet.delete(topic);
          else if (looks === MAX_LOOKS || (this.#next.get(topic) ?? 0) >= (this.#ends.get(topic) ?? Infinity)) this.#finish(topic);
          else this.#quiet.set(topic, looks + 1);
        }
        if (this.#unfinished.size > 0) await sleep(systemClock, LOOK_INTERVAL_MS);
      }
    } catch (cause) {
      this.failed(cause as Error);
    } finally {
      this.#looking = false;
    }
  }

  #finish(topic: string): void {
    this.#quiet.delete(topic);
    if (this.#unfinished.delete(topic)) this.#changed();
  }
}
