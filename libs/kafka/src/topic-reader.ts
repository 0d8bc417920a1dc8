import { randomUUID } from 'node:crypto';
import type { Kafka, KafkaMessage } from 'kafkajs';
import { ConsumerRun, type RunHandlers } from './consumer-run.ts';

/** kafkajs's work for a fetch grows with the square of the topics it follows, so many topics are read in several runs. */
const MAX_TOPICS_PER_RUN = 200;
/** Batches read but not yet taken by the caller, before reading waits. */
const MAX_QUEUED_BATCHES = 4;

export interface ReadBatch {
  readonly topic: string;
  readonly messages: readonly KafkaMessage[];
}

/** A reader's way to a client whose log it hears. */
export type ClientFactory = (listener?: (message: string, fields: Readonly<Record<string, unknown>>) => void) => Kafka;

export type Isolation = 'read-committed' | 'read-uncommitted';

/**
 * Every record of the topics, from their starts to their ends as they are when each is first looked at, in order
 * within each topic. Read committed, it ends where the oldest unfinished transaction begins. The topics must exist. Throws what
 * kafkajs throws.
 */
export async function* readTopics(client: ClientFactory, groupPrefix: string, topics: readonly string[], isolation: Isolation = 'read-committed'): AsyncGenerator<ReadBatch> {
  for (let from = 0; from < topics.length; from += MAX_TOPICS_PER_RUN) {
    yield* readOnce(client, `${groupPrefix}-${randomUUID()}`, topics.slice(from, from + MAX_TOPICS_PER_RUN), isolation);
  }
}

async function* readOnce(client: ClientFactory, groupId: string, topics: readonly string[], isolation: Isolation): AsyncGenerator<ReadBatch> {
  const reading = new Reading(topics);
  const run = new ConsumerRun((listener) => client(listener), { groupId, topics, readUncommitted: isolation === 'read-uncommitted' }, reading);
  try {
    await run.start();
    yield* reading.batches();
  } finally {
    await run.stop();
  }
}

/** What is still to come of a set of topics, and what has come and not been taken. */
class Reading implements RunHandlers {
  readonly #next = new Map<string, number>();
  readonly #ends = new Map<string, number>();
  readonly #unfinished: Set<string>;
  readonly #queue: ReadBatch[] = [];
  #failure: Error | undefined;
  #changed: () => void = () => undefined;
  #taken: () => void = () => undefined;

  constructor(topics: readonly string[]) {
    this.#unfinished = new Set(topics);
  }

  position(topic: string): number | null {
    return this.#next.get(topic) ?? null;
  }

  async records(topic: string, messages: readonly KafkaMessage[]): Promise<void> {
    if (!this.#unfinished.has(topic)) return;
    while (this.#queue.length >= MAX_QUEUED_BATCHES && this.#failure === undefined) await new Promise<void>((resolve) => (this.#taken = resolve));
    const from = this.#next.get(topic) ?? 0;
    const fresh = messages.filter((message) => Number(message.offset) >= from);
    this.#next.set(topic, Number(messages.at(-1)!.offset) + 1);
    if (fresh.length > 0) this.#queue.push({ topic, messages: fresh });
    this.#changed();
  }

  progress(topic: string, next: number, end: number): void {
    if (!this.#ends.has(topic)) this.#ends.set(topic, end);
    this.#next.set(topic, next);
    if (next >= this.#ends.get(topic)!) this.quiet(topic);
  }

  quiet(topic: string): void {
    if (this.#unfinished.delete(topic)) this.#changed();
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
}
