import type { Clock } from '@nva/ports';
import type { KafkaMessage } from 'kafkajs';
import { ConsumerRun, type RunHandlers } from './consumer-run.ts';
import { printOf, type Landmark } from './cursor.ts';
import type { FollowedFeed } from './followed-feed.ts';
import type { ClientFactory } from './client.ts';

/** Few: what is wrong with one topic must not hold up the others, and the next generation will be without it. */
const RETRIES = 2;

/**
 * One consumer over the feeds that are followed at one moment. The next generation, over more of them, starts where the feeds then
 * stand, and both deliver until the older one is stopped: each feed takes what it has not had yet.
 *
 * Where a topic may be another by now under the same name (after a failure, at a rejoin, from a cursor, and when no fetch kept an
 * eye on it for a while) it is fetched from the feed's landmark on, the last record that the feed took: if that is not what comes
 * first, the feed starts over.
 *
 * What its consumer is to do with a topic (`test/generation.unit.spec.ts` follows the table, row by row). Ahead is a consumer whose feed
 * started over beneath it, told by another generation; turned back is one that was sought elsewhere in the middle of a batch:
 *
 * | the consumer is            | what happens                                  | then it is  | and reads on from | the feed          |
 * | -------------------------- | --------------------------------------------- | ----------- | ----------------- | ----------------- |
 * | new, its feed at the start | it joins                                      | reading     | the start         | stays             |
 * | new, its feed further on   | it joins                                      | reading     | the next record   | stays             |
 * | new, its feed suspect      | it joins                                      | proving     | the landmark      | stays             |
 * | reading                    | it joins again                                | proving     | the landmark      | stays             |
 * | reading                    | the next records come                         | reading     | behind both       | takes both        |
 * | reading                    | a record that it has had comes, and a new one | reading     | behind it         | takes the new one |
 * | reading                    | a batch without a record ends                 | reading     | behind it         | goes on behind it |
 * | reading                    | nothing is left to read                       | reading     | where it stood    | is whole          |
 * | reading                    | no fetch had the topic in sight               | proving     | the landmark      | is suspect        |
 * | reading                    | its offset is not in the topic                | reading     | the start         | starts over       |
 * | reading                    | records come after too long                   | turned back | the start         | starts over       |
 * | reading                    | nothing is left to read, after too long       | reading     | the start         | starts over       |
 * | reading                    | the follower leaves                           | left        | nowhere           | stays             |
 * | ahead                      | the next records come                         | turned back | the start         | stays             |
 * | ahead                      | a batch without a record ends                 | ahead       | behind it         | stays             |
 * | ahead                      | nothing is left to read                       | reading     | the start         | stays             |
 * | ahead                      | no fetch had the topic in sight               | ahead       | where it stood    | stays             |
 * | proving                    | the landmark comes, and one behind it         | reading     | behind it         | takes the new one |
 * | proving                    | another record comes first                    | turned back | the start         | starts over       |
 * | proving                    | a batch without a record ends                 | proving     | behind it         | stays             |
 * | proving                    | nothing is left to read                       | reading     | the start         | starts over       |
 * | proving, and ahead         | the next records come                         | turned back | the start         | stays             |
 * | turned back                | its batch ends                                | reading     | where it stood    | stays             |
 * | left                       | the next records come                         | left        | nowhere           | stays             |
 * | left                       | nothing is left to read                       | left        | nowhere           | stays             |
 *
 * What that is for whoever sees what the feed does then, if the rest of the topic brings no record, or a strange one is the next:
 *
 * | a consumer that is | at an end without a record lets the feed | and of a strange record lets the feed |
 * | ------------------ | ---------------------------------------- | ------------------------------------- |
 * | reading            | go there                                 | take it                               |
 * | proving            | stay                                     | start over                            |
 * | ahead              | stay                                     | stay                                  |
 * | turned back        | stay                                     | take it                               |
 * | left               | stay                                     | stay                                  |
 */
export class Generation implements RunHandlers {
  readonly feeds: ReadonlyMap<string, FollowedFeed>;
  readonly #run: ConsumerRun;
  readonly #onFailed: (cause: Error) => void;
  /** Where this generation's consumer stands in each topic. */
  readonly #stands = new Map<string, number>();
  /** Topics that are to show their landmark first. */
  readonly #unproven = new Map<string, Landmark>();
  /** Topics of which the batch under way was not taken. */
  readonly #refused = new Set<string>();

  constructor(
    client: ClientFactory,
    groupId: string,
    feeds: Iterable<FollowedFeed>,
    clock: Clock,
    onFailed: (generation: Generation, cause: Error) => void,
  ) {
    this.feeds = new Map([...feeds].map((feed) => [feed.topic, feed]));
    this.#onFailed = (cause) => onFailed(this, cause);
    // Uncommitted: every record is a true one whatever becomes of its transaction, and comes milliseconds earlier (README).
    this.#run = new ConsumerRun(client, { groupId, topics: [...this.feeds.keys()], readUncommitted: true, retries: RETRIES, clock }, this);
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
    const isFirstJoin = !this.#stands.has(topic);
    const { next, landmark } = feed;
    this.#stands.set(topic, next);
    this.#unproven.delete(topic);
    if (landmark && (feed.isSuspect || !isFirstJoin)) {
      this.#unproven.set(topic, landmark);
      return landmark.offset;
    }
    return next === 0 ? null : next;
  }

  async records(topic: string, messages: readonly KafkaMessage[]): Promise<void> {
    const feed = this.feeds.get(topic)!;
    if (feed.closed) return;
    feed.restartIfAway();
    // The feed started over beneath another generation: what comes here is further on, and would leave a gap.
    if (this.#stands.get(topic)! > feed.next || !this.#proves(topic, feed, messages[0])) {
      this.#refused.add(topic);
      this.#run.reseek(topic);
      return;
    }
    await feed.records(messages);
  }

  progress(topic: string, next: number, end: number): void {
    // What comes before the landmark has shown itself says nothing.
    if (this.#refused.delete(topic) || this.#unproven.has(topic)) return;
    const feed = this.feeds.get(topic)!;
    const contiguous = this.#stands.get(topic)! <= feed.next;
    this.#stands.set(topic, next);
    if (contiguous && !feed.closed) feed.progress(next, end);
  }

  quiet(topic: string): void {
    const feed = this.feeds.get(topic)!;
    if (feed.closed) return;
    feed.restartIfAway();
    // The feed started over: that nothing is behind where this consumer stands says nothing of what is before.
    if (this.#stands.get(topic)! > feed.next || !this.#proves(topic, feed, undefined)) return this.#run.reseek(topic);
    feed.quiet();
  }

  unseen(topic: string): void {
    const feed = this.feeds.get(topic)!;
    if (feed.closed || feed.landmark === null) return;
    feed.suspect();
    this.#run.reseek(topic);
  }

  outOfRange(topic: string): void {
    const feed = this.feeds.get(topic)!;
    if (!feed.closed) feed.restart(`offset ${feed.next} is not in topic ${topic} any more`);
    this.#unproven.delete(topic);
    this.#stands.set(topic, 0);
  }

  /** Whether the topic is still the one that the feed was read from, by what came first of it. If it is not, the feed starts over. */
  #proves(topic: string, feed: FollowedFeed, first: KafkaMessage | undefined): boolean {
    const landmark = this.#unproven.get(topic);
    if (!landmark) return true;
    this.#unproven.delete(topic);
    if (first && Number(first.offset) === landmark.offset && printOf(first) === landmark.print) {
      feed.proven();
      return true;
    }
    feed.restart(`topic ${topic} does not hold at offset ${landmark.offset} what was read there: it was made anew`);
    return false;
  }

  failed(cause: Error): void {
    this.#onFailed(cause);
  }
}
