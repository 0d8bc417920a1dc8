import type { EventCodec } from '@nva/codec';
import { StoreUnavailable, type RecordedEvent } from '@nva/ports';
import type { GroupCommit } from './group-commit.ts';
import type { EventLogLimits } from './limits.ts';
import type { StreamHead } from './log-follower.ts';
import type { LogReader } from './log-reader.ts';
import { asBuffer, decodeFrame, decodeGathered } from './stored-events.ts';
import type { StreamHeads } from './stream-heads.ts';

/** Reads of durable events. They throw StoreUnavailable if a thread or a file fails, and after the store has closed. */
export class StoredReads {
  readonly #reader: LogReader;
  readonly #codec: EventCodec;
  readonly #limits: EventLogLimits;
  readonly #heads: StreamHeads;
  readonly #commits: GroupCommit;
  #ended: StoreUnavailable | undefined;

  constructor(reader: LogReader, codec: EventCodec, limits: EventLogLimits, heads: StreamHeads, commits: GroupCommit) {
    this.#reader = reader;
    this.#codec = codec;
    this.#limits = limits;
    this.#heads = heads;
    this.#commits = commits;
  }

  end(reason: StoreUnavailable): void {
    this.#ended = reason;
  }

  /** Events after `after`, up to the head at the moment when the read reaches it, or to `upTo`, in batches of `batchEvents`. */
  async *all(after: number, limit = Infinity, upTo = Infinity, withBytes = false): AsyncGenerator<RecordedEvent[], void> {
    let last = after;
    let left = limit;
    while (left > 0 && last < Math.min(this.#commits.durable, upTo)) {
      const before = last;
      for await (const events of this.#pass(last, Math.min(this.#commits.durable, upTo), left, withBytes)) {
        left -= events.length;
        last = events.at(-1)!.position;
        yield events;
      }
      if (last === before) throw new StoreUnavailable(`the log could not be read: no event after position ${last}`);
    }
  }

  /** Events before `before`, newest first, in batches of `batchEvents`. Events that are not durable are not read. */
  async *back(before: number, limit: number): AsyncGenerator<RecordedEvent[], void> {
    const end = Math.min(before, this.#commits.durable + 1);
    const chunks = this.#reader.chunksBack(end);
    let events: RecordedEvent[] = [];
    for (let left = limit; left > 0;) {
      const { value: frames, done } = await this.#answered(chunks.next());
      if (done) break;
      const bytes = asBuffer(frames);
      for (let at = 0; at < bytes.length && left > 0;) {
        const frame: RecordedEvent[] = [];
        at = decodeFrame(this.#codec, bytes, at, 0, frame);
        for (const event of frame.toReversed()) if (event.position < end) events.push(event);
        if (events.length < Math.min(left, this.#limits.batchEvents) && at < bytes.length) continue;
        const batch = events.slice(0, left);
        events = [];
        left -= batch.length;
        if (batch.length > 0) yield batch;
      }
    }
  }

  /** All events of the stream that were accepted when the read began: it waits until they are durable. */
  async *stream(stream: string, fromRevision: number, limit: number): AsyncGenerator<RecordedEvent, void> {
    const slot = this.#heads.slotNamed(stream);
    const to = Math.min(this.#heads.revision(slot), fromRevision + limit - 1);
    if (to < fromRevision) return;
    const head = this.#heads.position(slot);
    if (head > this.#commits.durable) await this.#commits.whenDurable();
    let found = await this.#answered(this.#reader.stream(head, fromRevision, to));
    for (;;) {
      yield* decodeGathered(this.#codec, found);
      const positions = found.positions.slice(found.count);
      if (positions.length === 0) return;
      found = { ...(await this.#answered(this.#reader.events(positions))), positions };
    }
  }

  /** The last event of a stream that was accepted when it is called, once it is durable; null for a stream without events. */
  async headOf(stream: string): Promise<StreamHead | null> {
    const slot = this.#heads.slotNamed(stream);
    const [revision, position] = [this.#heads.revision(slot), this.#heads.position(slot)];
    if (position === 0) return null;
    if (position > this.#commits.durable) await this.#commits.whenDurable();
    return { revision, position };
  }

  /** The event at a position; null if no durable event stands there. */
  async at(position: number): Promise<RecordedEvent | null> {
    if (position < 1 || position > this.#commits.durable) return null;
    const positions = Float64Array.of(position);
    const found = await this.#answered(this.#reader.events(positions));
    const [event] = decodeGathered(this.#codec, { ...found, positions });
    return event!;
  }

  async *#pass(after: number, upTo: number, limit: number, withBytes: boolean): AsyncGenerator<RecordedEvent[], void> {
    const chunks = this.#reader.chunks(after, upTo);
    let events: RecordedEvent[] = [];
    let left = limit;
    for (;;) {
      const { value: frames, done } = await this.#answered(chunks.next());
      if (done) break;
      const bytes = asBuffer(frames);
      for (let at = 0; at < bytes.length;) {
        at = decodeFrame(this.#codec, bytes, at, after, events, withBytes);
        if (events.length < Math.min(left, this.#limits.batchEvents)) continue;
        const batch = events.length > left ? events.slice(0, left) : events;
        events = [];
        left -= batch.length;
        yield batch;
        if (left === 0) return;
      }
    }
    if (events.length > 0) yield events;
  }

  async #answered<T>(answer: Promise<T>): Promise<T> {
    try {
      const value = await answer;
      if (!this.#ended) return value;
    } catch (cause) {
      throw this.#ended ?? new StoreUnavailable(`the log could not be read: ${(cause as Error).message}`, { cause });
    }
    throw this.#ended;
  }
}
