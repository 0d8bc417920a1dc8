import { createRecordCodec, type RecordCodec } from '@nva/codec';
import { feedKey, type FeedBatch, type FeedName, type FeedRecord } from '@nva/ports';
import { Kafka, logLevel, type KafkaMessage, type Message, type Producer, type TopicMessages } from 'kafkajs';
import { feedMessage } from './feed-message.ts';
import { Tail } from './tail.ts';

/** The newest published record of a key, and the newest position of the key that was read back. */
interface Held {
  position: number;
  message: Message;
  seen: number;
}

interface Own {
  readonly keys: Map<string, Held>;
  /** The offset after the last acknowledged record. */
  sent: number;
}

export const clientOf = (brokers: readonly string[]): Kafka =>
  new Kafka({
    brokers: [...brokers],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 2, multiplier: 2, maxRetryTime: 200, retries: 9 },
  });
export const topicOf = (prefix: string, feed: FeedName): string => `${prefix}.${feedKey(feed).replace('/', '.')}`;

/**
 * Writes the feeds without transactions, as the alternative that is compared with KafkaFeedWriter: plain sends, and a consumer of
 * everything that it writes. If it reads an older record of a key after the newest one, a superseded writer wrote that record,
 * and the newest is written again at once. If the newest was not read back yet, it still comes after the older one, so nothing
 * needs to be done.
 *
 * The newest message of every key is kept in memory. A real implementation would ask the fold for it, follow topics that are made
 * later, and bound a call by the size of a record batch.
 */
export class ReadBackWriter {
  readonly #kafka: Kafka;
  readonly #prefix: string;
  readonly #codec: RecordCodec = createRecordCodec();
  readonly #producer: Producer;
  readonly #topics = new Map<string, Own>();
  #tail: Tail | undefined;
  #live = false;
  #failure: Error | undefined;
  #progress: () => void = () => undefined;

  constructor(brokers: readonly string[], prefix: string) {
    this.#kafka = clientOf(brokers);
    this.#prefix = prefix;
    // One request at a time, because otherwise a retry would change the order within a topic.
    this.#producer = this.#kafka.producer({ maxInFlightRequests: 1, allowAutoTopicCreation: false });
  }

  /**
   * If `known` is given, it is the intended last record of every key; the topics are then first read from their start and
   * corrected.
   */
  async open(feeds: readonly FeedName[], known?: readonly FeedBatch[]): Promise<void> {
    const topics = feeds.map((feed) => topicOf(this.#prefix, feed));
    for (const topic of topics) this.#topics.set(topic, { keys: new Map(), sent: 0 });
    for (const { feed, records } of known ?? []) for (const record of records) this.#hold(topicOf(this.#prefix, feed), record);
    await this.#producer.connect();
    this.#live = known === undefined;
    this.#tail = await Tail.start(this.#kafka, {
      topics,
      from: known ? 'start' : 'end',
      records: (topic, messages) => this.#read(topic, messages),
      failed: (cause) => this.#fail(cause),
    });
    for (const [topic, end] of this.#tail.ends) this.#topics.get(topic)!.sent = end;
    if (this.#live) return;
    await this.caughtUp();
    this.#live = true;
    for (const [topic, { keys }] of this.#topics)
      this.#repair(
        topic,
        [...keys.values()].filter(({ position, seen }) => seen !== position),
      );
  }

  async publish(batches: readonly FeedBatch[]): Promise<void> {
    if (this.#failure) throw this.#failure;
    await this.#send(
      batches.map(({ feed, records }) => {
        const topic = topicOf(this.#prefix, feed);
        return { topic, messages: records.map((record) => this.#hold(topic, record)) };
      }),
    );
  }

  /** Resolves when everything that is acknowledged by now has been read back. */
  async caughtUp(): Promise<void> {
    const goals = [...this.#topics].map(([topic, { sent }]) => ({ topic, sent }));
    while (goals.some(({ topic, sent }) => this.#tail!.next.get(topic)! < sent)) {
      if (this.#failure) throw this.#failure;
      await new Promise<void>((resolve) => (this.#progress = resolve));
    }
  }

  async close(): Promise<void> {
    await this.#tail?.stop();
    await this.#producer.disconnect();
  }

  #hold(topic: string, record: FeedRecord): Message {
    const { keys } = this.#topics.get(topic)!;
    const message = feedMessage(record, this.#codec);
    const held = keys.get(record.key);
    if (held) Object.assign(held, { position: record.position, message });
    else keys.set(record.key, { position: record.position, message, seen: -1 });
    return message;
  }

  async #send(topicMessages: TopicMessages[]): Promise<void> {
    const counts = new Map(topicMessages.map(({ topic, messages }) => [topic, messages.length]));
    for (const { topicName, baseOffset } of await this.#producer.sendBatch({ acks: -1, topicMessages })) {
      const own = this.#topics.get(topicName)!;
      own.sent = Math.max(own.sent, Number(baseOffset) + counts.get(topicName)!);
    }
  }

  #read(topic: string, messages: readonly KafkaMessage[]): void {
    const { keys } = this.#topics.get(topic)!;
    const stale: Held[] = [];
    for (const { key, headers } of messages) {
      const held = keys.get(key!.toString());
      if (held === undefined) continue;
      const position = Number(headers!['position']!.toString());
      if (!this.#live || position >= held.seen) held.seen = position;
      else if (held.seen === held.position) stale.push(held);
    }
    this.#repair(topic, stale);
    this.#progress();
  }

  #repair(topic: string, stale: readonly Held[]): void {
    if (stale.length > 0) this.#send([{ topic, messages: stale.map(({ message }) => message) }]).catch((cause: Error) => this.#fail(cause));
  }

  #fail(cause: Error): void {
    this.#failure ??= cause;
    this.#progress();
  }
}
