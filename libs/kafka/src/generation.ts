import type { KafkaMessage } from 'kafkajs';
import { ConsumerRun, type RunHandlers } from './consumer-run.ts';
import type { FollowedFeed } from './followed-feed.ts';
import type { ClientFactory } from './topic-reader.ts';

/** Few: what is wrong with one topic must not hold up the others, and the next generation will be without it. */
const RETRIES = 2;

/**
 * One consumer over the feeds that are followed at one moment. The next generation, over more of them, starts where the feeds
 * then stand, and both deliver until the older one is stopped: each feed takes what it has not had yet.
 */
export class Generation implements RunHandlers {
  readonly feeds: ReadonlyMap<string, FollowedFeed>;
  readonly #run: ConsumerRun;
  readonly #onFailed: (cause: Error) => void;
  /** Where this generation's consumer stands in each topic. */
  readonly #stands = new Map<string, number>();
  /** Topics of which the batch under way was not taken. */
  readonly #refused = new Set<string>();

  constructor(client: ClientFactory, groupId: string, feeds: Iterable<FollowedFeed>, onFailed: (generation: Generation, cause: Error) => void) {
    this.feeds = new Map([...feeds].map((feed) => [feed.topic, feed]));
    this.#onFailed = (cause) => onFailed(this, cause);
    // Uncommitted: every record is a true one whatever becomes of its transaction, and comes milliseconds earlier (README).
    this.#run = new ConsumerRun(client, { groupId, topics: [...this.feeds.keys()], readUncommitted: true, retries: RETRIES }, this);
  }

  start(): Promise<void> {
    return this.#run.start();
  }

  stop(): Promise<void> {
    return this.#run.stop();
  }

  leave(feed: FollowedFeed): void {
    if (this.feeds.get(feed.topic) === feed) this.#run.pause(feed.topic);
  }

  position(topic: string): number | null {
    const feed = this.feeds.get(topic)!;
    if (!feed.closed) feed.restartIfAway();
    const { next } = feed;
    this.#stands.set(topic, next);
    return next === 0 ? null : next;
  }

  async records(topic: string, messages: readonly KafkaMessage[]): Promise<void> {
    const feed = this.feeds.get(topic)!;
    if (feed.closed) return;
    feed.restartIfAway();
    // The feed started over beneath another generation: what comes here is further on, and would leave a gap.
    if (this.#stands.get(topic)! > feed.next) {
      this.#refused.add(topic);
      this.#run.reseek(topic);
      return;
    }
    await feed.records(messages);
  }

  progress(topic: string, next: number, end: number): void {
    if (this.#refused.delete(topic)) return;
    const feed = this.feeds.get(topic)!;
    const contiguous = this.#stands.get(topic)! <= feed.next;
    this.#stands.set(topic, next);
    if (contiguous && !feed.closed) feed.progress(next, end);
  }

  quiet(topic: string): void {
    const feed = this.feeds.get(topic)!;
    if (feed.closed) return;
    feed.restartIfAway();
    const stands = this.#stands.get(topic)!;
    // The feed started over: that nothing is behind where this consumer stands says nothing of what is before.
    if (stands > feed.next) this.#run.reseek(topic);
    else if (stands === feed.next) feed.quiet();
  }

  outOfRange(topic: string): void {
    const feed = this.feeds.get(topic)!;
    if (!feed.closed) feed.restartAnew(`offset ${feed.next} is not in topic ${topic} any more`);
    this.#stands.set(topic, 0);
  }

  failed(cause: Error): void {
    this.#onFailed(cause);
  }
}
