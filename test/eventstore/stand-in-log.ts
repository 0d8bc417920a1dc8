import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { AvroJsonCodec, createEventCodec, type NvaEvent } from '@nva/codec';
import { SqliteEventStore } from '@nva/event-log';
import { systemClock, type RecordedEvent, type StreamAppend } from '@nva/ports';
import { toJsonEvent, type JsonEvent } from '../../libs/eventstoredb/src/event-format.ts';
import { OtherRecords, type OtherRecord } from './other-records.ts';
import { TOMBSTONE_REVISION, TOMBSTONE_TYPE, type Expected, type Outcome, type Proposed, type Stored } from './stored.ts';
import { Streams } from './streams.ts';

/**
 * Room behind each position of the embedded log for records that it does not carry. Positions stay safe up to nine thousand million
 * events.
 */
const POSITIONS_PER_EVENT = 1_000_000;
const MAX_GROUP_APPENDS = 1_024;

interface Waiting {
  readonly stream: string;
  readonly expected: Expected;
  readonly events: readonly Proposed[];
  answer(outcome: Outcome | PromiseLike<Outcome>): void;
  fail(error: Error): void;
}

/**
 * The transaction log of the stand-in server. Events of ours are in the embedded store, which makes them durable and places
 * them; the rest is in `OtherRecords`. Everything is in memory as well, for readers.
 */
export class StandInLog {
  readonly streams = new Streams();
  /** In the order of their positions. */
  readonly records: Stored[] = [];
  readonly #store: SqliteEventStore;
  readonly #others: OtherRecords;
  readonly #codec = new AvroJsonCodec<NvaEvent>(createEventCodec().schemas);
  readonly #waiting: Waiting[] = [];
  readonly #listeners = new Set<() => void>();
  /** Revision of each stream in the embedded log, which other records of the stream leave behind. */
  readonly #embeddedRevisions = new Map<string, number>();
  #anchor = 0;
  #nth = 0;
  #running: Promise<void> | undefined;

  private constructor(store: SqliteEventStore, others: OtherRecords) {
    this.#store = store;
    this.#others = others;
  }

  static async open(directory: string): Promise<StandInLog> {
    mkdirSync(directory, { recursive: true });
    const others = new OtherRecords(directory);
    const log = new StandInLog(
      await SqliteEventStore.open({ directory: join(directory, 'log'), codec: createEventCodec(), clock: systemClock }),
      others,
    );
    await log.#load();
    // A server is never without records of its own.
    if (log.records.length === 0)
      await log.append('$$$stats-127.0.0.1:2113', 'any', [
        { id: randomUUID(), type: '$metadata', isJson: true, data: Buffer.from('{"$maxAge":86400}'), metadata: Buffer.alloc(0) },
      ]);
    return log;
  }

  append(stream: string, expected: Expected, events: readonly Proposed[]): Promise<Outcome> {
    const outcome = new Promise<Outcome>((answer, fail) => this.#waiting.push({ stream, expected, events, answer, fail }));
    this.#running ??= this.#run();
    return outcome;
  }

  /** A hard delete: the stream takes nothing any more, and its tombstone stands in `$all`. */
  async tombstone(stream: string): Promise<void> {
    await this.append(stream, 'any', [
      { id: randomUUID(), type: TOMBSTONE_TYPE, isJson: false, data: Buffer.alloc(0), metadata: Buffer.alloc(0) },
    ]);
  }

  /** A soft delete: readers find no stream, an append that expects none begins behind the last revision. */
  softDelete(stream: string): void {
    this.#others.add([{ softDelete: stream }]);
    this.streams.softDelete(stream);
  }

  /** Calls back after each group that was written. Returns the end of it. */
  onWritten(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    await this.#running;
    await this.#store.close();
    this.#others.close();
  }

  async #load(): Promise<void> {
    const others = this.#others.past.filter((record) => 'anchor' in record);
    const takeOthers = (upTo: number): void => {
      while (others[0] && others[0].anchor < upTo) this.#publish(this.#fromOther(others.shift()!));
    };
    for await (const { events } of this.#store.readAll()) {
      for (const event of events) {
        takeOthers(event.position);
        this.#publish(this.#fromEmbedded(event));
      }
    }
    takeOthers(Infinity);
    const last = this.#others.past.filter((record) => 'anchor' in record).at(-1);
    if (last?.anchor === this.#anchor) this.#nth = last.nth;
    for (const record of this.#others.past) if ('softDelete' in record) this.streams.softDelete(record.softDelete);
  }

  async #run(): Promise<void> {
    // What arrives in the same turn is one group.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, MAX_GROUP_APPENDS);
      try {
        await this.#write(group);
      } catch (error) {
        for (const { fail } of group) fail(error as Error);
      }
    }
    this.#running = undefined;
  }

  async #write(group: readonly Waiting[]): Promise<void> {
    const answers: (() => void)[] = [];
    let embedded: StreamAppend[] = [];
    let bytes = new Map<string, Proposed>();
    const flush = async (): Promise<void> => {
      if (embedded.length === 0) return;
      const results = await this.#store.append(embedded);
      // An answer gives the place of an append's last event; where there are more, the log is read for theirs.
      const single = results.map((result, index) =>
        result.outcome === 'appended' && embedded[index]!.events.length === 1 ? recordedOf(embedded[index]!, result) : null,
      );
      if (results.some(({ outcome }) => outcome !== 'appended')) throw new Error('the embedded log refused what had been decided');
      const written = single.every((event) => event !== null) ? single : await this.#after(this.#anchor);
      for (const event of written) this.#publish(this.#fromEmbedded(event, bytes.get(event.id)));
      embedded = [];
      bytes = new Map();
    };
    for (const { stream, expected, events, answer } of group) {
      const decision = this.streams.decide(stream, expected, events);
      if (decision.kind === 'write') {
        const lastRevision = decision.firstRevision + events.length - 1;
        answers.push(() => answer({ kind: 'written', revision: lastRevision, position: this.#positionAt(stream, lastRevision) }));
        const ours = this.#asOurs(events);
        if (ours) {
          this.streams.reserve(stream, events);
          const revision = this.#embeddedRevisions.get(stream) ?? -1;
          embedded.push({ stream, expectedRevision: revision, events: ours });
          this.#embeddedRevisions.set(stream, revision + events.length);
          for (const event of events) bytes.set(event.id, event);
        } else {
          await flush();
          this.#writeOthers(stream, events);
        }
      } else if (decision.kind === 'idempotent') {
        const { lastRevision } = decision;
        answers.push(() => answer({ kind: 'idempotent', revision: lastRevision, position: this.#positionAt(stream, lastRevision) }));
      } else answers.push(() => answer(decision));
    }
    await flush();
    for (const answer of answers) answer();
    for (const listener of this.#listeners) listener();
  }

  async #after(position: number): Promise<RecordedEvent[]> {
    const all: RecordedEvent[] = [];
    for await (const { events } of this.#store.readAll({ after: this.#store.checkpointAt(position) })) all.push(...events);
    return all;
  }

  #positionAt(stream: string, revision: number): number {
    return this.streams.isTombstoned(stream) ? this.records.at(-1)!.position : this.streams.at(stream, revision).position;
  }

  /** The events for the embedded log, if it gives back the very bytes; undefined if one of them is none of ours, or of an old schema. */
  #asOurs(events: readonly Proposed[]): StreamAppend['events'] | undefined {
    try {
      return events.map(({ id, type, isJson, data, metadata }) => {
        const { schemaFingerprint } = JSON.parse(metadata.toString()) as { schemaFingerprint: string };
        const event = this.#codec.decode(schemaFingerprint, JSON.parse(data.toString()));
        const again = toJsonEvent(this.#codec, event);
        if (
          !isJson ||
          again.type !== type ||
          JSON.stringify(again.data) !== data.toString() ||
          JSON.stringify(again.metadata) !== metadata.toString()
        )
          throw new Error('not the same bytes');
        return { id, event };
      });
    } catch {
      return undefined;
    }
  }

  #writeOthers(stream: string, events: readonly Proposed[]): void {
    const createdMs = systemClock.wallMs();
    const records = events.map(({ id, type, isJson, data, metadata }): OtherRecord => ({
      anchor: this.#anchor,
      nth: ++this.#nth,
      stream,
      id,
      type,
      isJson,
      data: data.toString('base64'),
      metadata: metadata.toString('base64'),
      createdMs,
    }));
    this.#others.add(records);
    for (const record of records) this.#publish(this.#fromOther(record));
  }

  #fromOther({ anchor, nth, data, metadata, ...record }: OtherRecord): Stored {
    const revision = record.type === TOMBSTONE_TYPE ? TOMBSTONE_REVISION : this.streams.next(record.stream);
    return {
      ...record,
      position: anchor * POSITIONS_PER_EVENT + nth,
      revision,
      data: Buffer.from(data, 'base64'),
      metadata: Buffer.from(metadata, 'base64'),
    };
  }

  /** `written` are the bytes as they came; after a restart they are made again. */
  #fromEmbedded({ position, stream, id, event, revision: embeddedRevision }: RecordedEvent, written?: Proposed): Stored {
    this.#anchor = position;
    this.#nth = 0;
    this.#embeddedRevisions.set(stream, Math.max(embeddedRevision, this.#embeddedRevisions.get(stream) ?? -1));
    const { data, metadata } = written ?? asBytes(toJsonEvent(this.#codec, event));
    return {
      position: position * POSITIONS_PER_EVENT,
      stream,
      revision: this.streams.next(stream),
      id,
      type: event.type,
      isJson: true,
      createdMs: event.data.audit.recordedAt,
      data,
      metadata,
    };
  }

  #publish(stored: Stored): void {
    this.records.push(stored);
    this.streams.record(stored);
  }
}

const asBytes = ({ data, metadata }: JsonEvent): Pick<Proposed, 'data' | 'metadata'> => ({
  data: Buffer.from(JSON.stringify(data)),
  metadata: Buffer.from(JSON.stringify(metadata)),
});

const recordedOf = (
  { stream, events }: StreamAppend,
  { position, revision }: { readonly position: number; readonly revision: number },
): RecordedEvent => ({ position, stream, revision, ...events[0]! });
