import { sleep, systemClock } from '@nva/ports';
import type { KafkaMessage } from 'kafkajs';
import type { RunHandlers } from './consumer-run.ts';

/** Batches read but not yet taken by the caller, before reading waits. */
const MAX_QUEUED_BATCHES = 4;
/**
 * How long a reading of what is committed waits for a transaction, possibly of another writer that stands still: longer than
 * brokers let ours be, which is TRANSACTION_TIMEOUT_MS and up to 10 s more
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
 * What is still to come of a set of topics, and what has come and not been taken. Without `findEnds` a topic that a fetch found
 * nothing more of is at its end; with them only if its end is there: what is committed shows up a little after the commit was
 * acknowledged, and until then the topic looks as if it ended before it.
 */
export class Reading implements RunHandlers {
  readonly #findEnds: FindEnds | undefined;
  readonly #next = new Map<string, number>();
  readonly #ends = new Map<string, number>();
  readonly #unfinished: Set<string>;
  /** Quiet topics that are waited for, by how often they were looked at. */
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
      // A caller that takes no more must not keep the consumer waiting for room.
      this.#failure ??= new Error('The reading was given up');
      this.#taken();
    }
  }

  /** What is left before the end may still become visible, or carry nothing for ever: then waiting ends after MAX_LOOKS. */
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
