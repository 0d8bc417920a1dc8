import { firstAfter, readStream } from '@nva/audit';
import type { EventStore, Position, RecordedEvent } from '@nva/ports';
import type { AuditQuery } from './audit-query.ts';
import { KnownPositions } from '../log/known-positions.ts';

/** Number of events that are read and decoded at once; other callers wait meanwhile. */
const EVENTS_AT_ONCE = 512;
/** Number of events of one stream that are read at once. */
const STREAM_EVENTS_AT_ONCE = 64;
/** Maximum number of events that one query reads. What it has found by then is its page. */
export const EVENTS_PER_QUESTION = 16_384;

/** The result of a query. */
export interface AuditPage {
  readonly events: readonly RecordedEvent[];
  /**
   * Where the next query continues: after this position, or before it if the newest events come first. null if there is nothing
   * more.
   */
  readonly next: Position | null;
}

type Batches = AsyncGenerator<readonly RecordedEvent[], void>;
/** Waits for the caller's next turn. */
type Pause = () => Promise<void>;

/**
 * Thrown when the search for the place to begin has read as many events as one query may. The places that it found are
 * remembered.
 */
const NOT_FOUND_YET = Symbol('not found yet');

/**
 * Answers queries of the audit log in pieces. After each piece the caller waits for its turn. After EVENTS_PER_QUESTION events
 * the page is returned as it is, even if it is empty, with the place to continue from. There is no index: a query of one stream
 * costs the events of that stream; a query of an actor also costs all events between those of the actor.
 */
export class AuditSearch {
  readonly #store: EventStore;
  readonly #positions: KnownPositions;
  /** Positions in the part of the log that the fold skipped thanks to a snapshot, as far as queries have read that part. */
  readonly #walked = new KnownPositions();

  constructor(store: EventStore, positions: KnownPositions) {
    this.#store = store;
    this.#positions = positions;
  }

  async page(query: AuditQuery, pause: Pause): Promise<AuditPage> {
    const found: RecordedEvent[] = [];
    let passed = 0;
    let last: Position = query.newestFirst ? query.before : query.after;
    const source =
      query.entities.length > 0 ? this.#streams(query) : query.newestFirst ? this.#backwards(query, pause) : this.#forwards(query, pause);
    try {
      for await (const events of source) {
        for (const event of events) {
          if (query.newestFirst ? event.position <= query.after : event.position >= query.before) return { events: found, next: null };
          const matches = query.matches(event);
          if (matches && found.length === query.limit) return { events: found, next: found.at(-1)!.position };
          if (matches) found.push(event);
          last = event.position;
        }
        passed += events.length;
        if (passed >= EVENTS_PER_QUESTION) return { events: found, next: last };
        await pause();
      }
    } catch (error) {
      if (error !== NOT_FOUND_YET) throw error;
      return { events: found, next: last };
    }
    return { events: found, next: null };
  }

  async *#forwards({ after }: AuditQuery, pause: Pause): Batches {
    if (after >= (await this.#store.head()).position) return;
    for await (const events of this.#from(after, pause)) {
      const later = events.filter(({ position }) => position > after);
      if (later.length > 0) yield later;
    }
  }

  /**
   * Events from the last known position at or before a number. A store starts reading only at the position of an event, and the
   * number may be any.
   */
  async *#from(number: Position, pause: Pause): Batches {
    let from = Math.max(this.#positions.atOrBefore(number), this.#walked.atOrBefore(number));
    for (let passed = 0; ;) {
      const begin = from;
      for await (const { events } of this.#store.readAll({ after: this.#store.checkpointAt(from), limit: EVENTS_AT_ONCE })) {
        // Remembered positions must continue from the first event without a gap. A walk that began at a position known to the fold
        // would remember positions above those that are still to be walked.
        for (const { position } of events) if (position < this.#positions.first) this.#walked.met(position);
        from = events.at(-1)!.position;
        if (from <= number) passed += events.length;
        yield events;
      }
      if (from === begin) return;
      if (from > number) continue;
      if (passed >= EVENTS_PER_QUESTION) throw NOT_FOUND_YET;
      await pause();
    }
  }

  async *#backwards({ before }: AuditQuery, pause: Pause): Batches {
    let place: Position | undefined = before > (await this.#store.head()).position ? undefined : before;
    for (let first = true; ; first = false) {
      const begin: Position | undefined = place;
      try {
        for await (const events of this.#store.readAllBackwards({
          limit: EVENTS_AT_ONCE,
          ...(place === undefined ? {} : { before: place }),
        })) {
          place = events.at(-1)!.position;
          yield events;
        }
      } catch (error) {
        // A store may report that no event has this position. A position that we returned as `next` always has one.
        if (!first || place === undefined || !(error instanceof RangeError)) throw error;
        place = await this.#atOrAfter(place, pause);
        continue;
      }
      if (place === begin) return;
    }
  }

  /** The position of the first event at or after a number that is not beyond the head. */
  async #atOrAfter(number: Position, pause: Pause): Promise<Position> {
    for await (const events of this.#from(number - 1, pause)) {
      const found = events.find(({ position }) => position >= number);
      if (found) return found.position;
    }
    return number;
  }

  /** The events of several streams, in the order of the log. */
  async *#streams(query: AuditQuery): Batches {
    const { newestFirst, entities } = query;
    const sources = await Promise.all(
      entities.map(async (stream) => Cursor.open(newestFirst ? this.#streamBack(stream, query.before) : this.#stream(stream, query.after))),
    );
    const isFirst = (a: RecordedEvent, b: RecordedEvent): boolean => (newestFirst ? a.position > b.position : a.position < b.position);
    let events: RecordedEvent[] = [];
    for (;;) {
      let next: Cursor | null = null;
      for (const source of sources) if (source.event && (!next?.event || isFirst(source.event, next.event))) next = source;
      if (!next?.event) break;
      events.push(next.event);
      await next.advance();
      if (events.length < STREAM_EVENTS_AT_ONCE) continue;
      yield events;
      events = [];
    }
    if (events.length > 0) yield events;
  }

  async *#stream(stream: string, after: Position): Batches {
    for (let revision = after === 0 ? 0 : await firstAfter(this.#store, stream, after); ;) {
      const events = await readStream(this.#store, stream, revision, STREAM_EVENTS_AT_ONCE);
      if (events.length === 0) return;
      revision = events.at(-1)!.revision + 1;
      yield events;
    }
  }

  async *#streamBack(stream: string, before: Position): Batches {
    for (let end = await firstAfter(this.#store, stream, before - 1); end > 0;) {
      const from = Math.max(0, end - STREAM_EVENTS_AT_ONCE);
      yield (await readStream(this.#store, stream, from, end - from)).toReversed();
      end = from;
    }
  }
}

/** Yields the events of a stream one by one. */
class Cursor {
  readonly #batches: Batches;
  #events: readonly RecordedEvent[] = [];
  #at = 0;

  private constructor(batches: Batches) {
    this.#batches = batches;
  }

  static async open(batches: Batches): Promise<Cursor> {
    const cursor = new Cursor(batches);
    await cursor.#fill();
    return cursor;
  }

  /** The present event; undefined at the end. */
  get event(): RecordedEvent | undefined {
    return this.#events[this.#at];
  }

  async advance(): Promise<void> {
    if (++this.#at === this.#events.length) await this.#fill();
  }

  async #fill(): Promise<void> {
    const { value } = await this.#batches.next();
    this.#events = value ?? [];
    this.#at = 0;
  }
}
