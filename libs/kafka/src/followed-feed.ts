import type { RecordCodec } from '@nva/codec';
import { FeedDenied, type Clock, type FeedCursor, type FeedSink } from '@nva/ports';
import type { KafkaMessage } from 'kafkajs';
import { formatCursor, parseCursor, printOf, type Landmark } from './cursor.ts';
import type { Log } from './options.ts';
import { decodeRecord, isUndecodable } from './record-format.ts';

export interface FollowedFeedOptions {
  readonly topic: string;
  readonly sink: FeedSink;
  readonly resume: FeedCursor | undefined;
  /** `delete.retention.ms` of the topic: removals are kept at least so long. */
  readonly deleteRetentionMs: number;
  readonly codec: RecordCodec;
  /** Looks for the schema of the value on the schemas topic, if it was not looked for before. */
  readonly teach: (value: Buffer) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * One feed that is followed: how far its records have been handed over, and whether the table built from them is whole.
 * Consumers come and go beneath it, two at a time while the set of feeds changes; it takes each offset once, in order.
 *
 * `test/followed-feed.unit.spec.ts` follows the tables, row by row. How it begins:
 *
 * | it is followed with                             | its table is    | for the reason                                |
 * | ----------------------------------------------- | --------------- | --------------------------------------------- |
 * | no cursor                                       | to be read anew | first read                                    |
 * | what is no cursor of this transport             | to be read anew | unknown resume point                          |
 * | a cursor of a read that had not come to its end | to be read anew | the last read from the start was not finished |
 * | a cursor older than half of the retention       | to be read anew | last whole                                    |
 * | a cursor no older than that                     | resumed         | none                                          |
 *
 * How it goes on. The first end is the one that the topic had when its reading began; the retention is how long removals are kept:
 *
 * | the table is             | what happens                             | then it is               | the sink is told  |
 * | ------------------------ | ---------------------------------------- | ------------------------ | ----------------- |
 * | to be read anew          | a record comes                           | being read               | restart, record   |
 * | to be read anew          | a batch ends before the first end        | being read               | restart           |
 * | to be read anew          | nothing is left to read                  | whole by this look       | restart, complete |
 * | being read               | a record comes                           | being read               | record            |
 * | being read               | a record comes again                     | being read               | nothing           |
 * | being read               | a batch ends before the first end        | being read               | nothing           |
 * | being read               | a batch ends at the first end, not now's | whole by this look       | complete          |
 * | being read               | nothing is left to read                  | whole by this look       | complete          |
 * | being read               | more than half of the retention goes by  | being read               | nothing           |
 * | being read               | the topic is made anew                   | to be read anew          | nothing           |
 * | being read               | its follower leaves                      | closed                   | nothing           |
 * | resumed                  | a record comes                           | resumed                  | record            |
 * | resumed                  | a batch ends before the first end        | resumed                  | nothing           |
 * | resumed                  | a batch ends at the first end, not now's | whole by this look       | complete          |
 * | resumed                  | more than half of the retention goes by  | to be read anew          | nothing           |
 * | whole by an earlier look | a record comes                           | whole by an earlier look | record            |
 * | whole by an earlier look | a batch ends before the end              | whole by an earlier look | nothing           |
 * | whole by an earlier look | a batch ends at the end                  | whole by this look       | nothing           |
 * | whole by an earlier look | nothing is left to read                  | whole by this look       | nothing           |
 * | whole by an earlier look | half of the retention goes by            | whole by an earlier look | nothing           |
 * | whole by an earlier look | more than half of the retention goes by  | to be read anew          | nothing           |
 * | whole by an earlier look | the topic is made anew                   | to be read anew          | nothing           |
 * | whole by an earlier look | its follower leaves                      | closed                   | nothing           |
 * | closed                   | a record comes                           | closed                   | nothing           |
 * | closed                   | nothing is left to read                  | closed                   | nothing           |
 *
 * What that is for whoever sees only what the sink is told, of one more record and then of nothing more:
 *
 * | a table that is          | tells of a record | with a cursor of         | and of the end |
 * | ------------------------ | ----------------- | ------------------------ | -------------- |
 * | to be read anew          | restart, record   | no time                  | complete       |
 * | being read               | record            | no time                  | complete       |
 * | resumed                  | record            | the cursor it began with | complete       |
 * | whole by an earlier look | record            | the earlier look         | nothing        |
 * | whole by this look       | record            | this look                | nothing        |
 * | closed                   | nothing           | nothing                  | nothing        |
 *
 * Whether the topic is still the one that its last record was of, and whether the feed can be followed, are two other matters:
 *
 * | its landmark is | what happens           | then it is |
 * | --------------- | ---------------------- | ---------- |
 * | not there       | it is lost sight of    | not there  |
 * | not there       | a record comes         | trusted    |
 * | trusted         | it is lost sight of    | suspect    |
 * | suspect         | a record comes         | suspect    |
 * | suspect         | the landmark is proven | trusted    |
 * | suspect         | the topic is made anew | not there  |
 *
 * | the feed is  | what happens         | then it is   | sink is told |
 * | ------------ | -------------------- | ------------ | ------------ |
 * | followed     | it is followed       | followed     | nothing      |
 * | followed     | it cannot be reached | out of reach | interrupted  |
 * | followed     | it is denied         | denied       | interrupted  |
 * | out of reach | it cannot be reached | out of reach | nothing      |
 * | out of reach | it is denied         | denied       | interrupted  |
 * | denied       | it cannot be reached | out of reach | interrupted  |
 * | out of reach | it is followed       | followed     | resumed      |
 * | denied       | it is followed       | followed     | resumed      |
 * | left         | it cannot be reached | left         | nothing      |
 */
export class FollowedFeed {
  readonly topic: string;
  readonly #options: FollowedFeedOptions;
  /** The next offset to hand over. */
  #next = 0;
  /** How often it has started over: what was brought before that is not taken after it. */
  #restarts = 0;
  /** The last record handed over; null before the first since the start. */
  #landmark: Landmark | null = null;
  #isSuspect: boolean;
  /** The end that makes the table whole; null until the first fetch tells it. */
  #end: number | null = null;
  #whole = false;
  #wholeMs = 0;
  /** Why to read from the start, to be told to the sink before anything else; null when that was done or it resumes. */
  #restart: string | null;
  /** Why it is interrupted, as the sink was told; null if it is not. */
  #trouble: Error | null = null;
  #closed = false;

  constructor(options: FollowedFeedOptions) {
    this.topic = options.topic;
    this.#options = options;
    const standing = options.resume === undefined ? null : parseCursor(options.resume);
    const ageMs = standing === null ? 0 : options.clock.wallMs() - standing.wholeMs;
    if (options.resume === undefined) this.#restart = 'first read';
    else if (standing === null) this.#restart = `unknown resume point «${options.resume}»`;
    else if (standing.wholeMs === 0) this.#restart = 'the last read from the start was not finished';
    else if (ageMs > options.deleteRetentionMs / 2) this.#restart = tooOld(ageMs, options.deleteRetentionMs);
    else this.#restart = null;
    this.#isSuspect = this.#restart === null;
    if (this.#restart === null && standing) {
      this.#landmark = standing.landmark;
      this.#next = standing.landmark.offset + 1;
      this.#wholeMs = standing.wholeMs;
    }
  }

  get next(): number {
    return this.#next;
  }

  get landmark(): Landmark | null {
    return this.#landmark;
  }

  /** Whether the topic may be another by now than the one that the landmark is of. */
  get isSuspect(): boolean {
    return this.#isSuspect;
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    this.#closed = true;
  }

  /** It was lost sight of: the topic may be another when it is read on. */
  suspect(): void {
    this.#isSuspect = this.#landmark !== null;
  }

  /** The topic is the one that the landmark is of. */
  proven(): void {
    this.#isSuspect = false;
  }

  /** Reads from the start again, into a fresh table. */
  restart(reason: string): void {
    this.#next = 0;
    this.#restarts++;
    this.#landmark = null;
    this.proven();
    this.#end = null;
    this.#whole = false;
    this.#wholeMs = 0;
    this.#restart = reason;
  }

  /**
   * Reads from the start again if the last look at the end is too long ago: this process slept, or was cut off, while removals that it
   * has not seen may have expired. Asked before anything is taken from a consumer.
   */
  restartIfAway(): void {
    const { clock, deleteRetentionMs } = this.#options;
    if (this.#wholeMs === 0) return;
    const ageMs = clock.wallMs() - this.#wholeMs;
    if (ageMs > deleteRetentionMs / 2) this.restart(tooOld(ageMs, deleteRetentionMs));
  }

  async records(messages: readonly KafkaMessage[]): Promise<void> {
    const { topic, codec, sink } = this.#options;
    this.#announce();
    const restarts = this.#restarts;
    for (const message of messages) {
      const unknown = message.value !== null && this.#isUnknown(message.value);
      if (unknown) await this.#options.teach(message.value!);
      if (this.#closed || this.#restarts !== restarts) return;
      const offset = Number(message.offset);
      if (offset < this.#next) continue;
      const record = decodeRecord(topic, message, codec);
      this.#landmark = { offset, print: printOf(message) };
      const cursor = formatCursor(this.#landmark, this.#wholeMs);
      if (isUndecodable(record)) {
        this.#options.log('error', record.cause.message, { topic, offset, key: record.key });
        sink.undecodable(record, cursor);
      } else {
        sink.record(record, cursor);
      }
      this.#next = offset + 1;
    }
  }

  progress(next: number, end: number): void {
    this.#announce();
    this.#end ??= end;
    if (next > this.#next) this.#next = next;
    if (this.#next >= this.#end) this.#complete();
    if (this.#next >= end) this.#atEnd();
  }

  /** Nothing is left between here and the end. */
  quiet(): void {
    this.#announce();
    this.#complete();
    this.#atEnd();
  }

  interrupted(cause: Error): void {
    if (this.#closed || (this.#trouble && this.#trouble instanceof FeedDenied === cause instanceof FeedDenied)) return;
    this.#trouble = cause;
    this.#options.sink.interrupted(cause);
  }

  resumed(): void {
    if (this.#closed || !this.#trouble) return;
    this.#trouble = null;
    this.#options.sink.resumed();
  }

  #announce(): void {
    if (this.#restart === null || this.#closed) return;
    const reason = this.#restart;
    this.#restart = null;
    this.#options.sink.restart(reason);
  }

  #atEnd(): void {
    if (this.#whole) this.#wholeMs = this.#options.clock.wallMs();
  }

  #complete(): void {
    if (this.#whole || this.#closed) return;
    this.#whole = true;
    this.#wholeMs = this.#options.clock.wallMs();
    this.#options.sink.complete(this.#landmark && formatCursor(this.#landmark, this.#wholeMs));
  }

  #isUnknown(value: Buffer): boolean {
    const fingerprint = this.#options.codec.fingerprintIn(value);
    return fingerprint !== null && !this.#options.codec.knows(fingerprint);
  }
}

const tooOld = (ageMs: number, deleteRetentionMs: number): string =>
  `last whole ${Math.round(ageMs / 1000)} s ago, and removals are kept for ${Math.round(deleteRetentionMs / 1000)} s only`;
