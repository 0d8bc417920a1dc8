import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { EventCodec } from '@nva/codec';
import {
  StoreUnavailable,
  type ArchivableLog,
  type Checkpoint,
  type Clock,
  type EventBatch,
  type LogHead,
  type Position,
  type ReadAllOptions,
  type RecordedEvent,
  type SubscriptionMessage,
} from '@nva/ports';
import { LOG_FILE } from './file-format.ts';
import { FrameReader } from './frame-reader.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import type { StreamStart } from './protocol.ts';
import { assertCount, parseCheckpoint } from './read-options.ts';
import { asBuffer, decodeFrame, decodeGathered } from './stored-events.ts';

/** The last event of a stream. */
export interface StreamHead {
  readonly revision: number;
  readonly position: Position;
}

export interface LogFollowerOptions {
  /** The directory of a log that a store in this process has open. */
  readonly directory: string;
  readonly logId: string;
  readonly codec: EventCodec;
  readonly clock: Clock;
  /** Asks the store for the last durable event of a stream; null for a stream that does not exist. */
  readonly headOf: (stream: string) => Promise<StreamHead | null>;
}

/**
 * Reads an embedded log in another thread than its store's: on a connection of its own, and in that thread itself, so that whatever
 * is done with the events costs the store nothing. It reads what the store has said to be durable (`told`), and nothing beyond.
 * It must be closed before the store is, which then leaves no side files.
 */
export class LogFollower implements ArchivableLog {
  readonly logId: string;
  readonly #reader: FrameReader;
  readonly #codec: EventCodec;
  readonly #clock: Clock;
  readonly #headOf: LogFollowerOptions['headOf'];
  readonly #waiting = new Set<() => void>();
  #durable: Position = 0;
  #closed = false;

  /** Throws what SQLite throws if the file cannot be opened. */
  constructor({ directory, logId, codec, clock, headOf }: LogFollowerOptions) {
    this.logId = logId;
    this.#codec = codec;
    this.#clock = clock;
    this.#headOf = headOf;
    const uri = pathToFileURL(join(resolve(directory), LOG_FILE)).href;
    this.#reader = new FrameReader({ kind: 'open', uri, snapshot: false, busyLimitMs: DEFAULT_LIMITS.busyLimitMs });
    for (const { schema } of this.#reader.header().schemas) codec.learn(JSON.parse(schema));
  }

  /** Up to this position the log is durable. */
  told(position: Position): void {
    if (position <= this.#durable) return;
    this.#durable = position;
    this.#wake();
  }

  async *readStream(
    stream: string,
    { fromRevision = 0, limit = Infinity }: { readonly fromRevision?: number; readonly limit?: number } = {},
  ): AsyncGenerator<RecordedEvent, void> {
    assertCount('fromRevision', fromRevision);
    assertCount('limit', limit);
    this.#assertOpen();
    const head = await this.#headOf(stream);
    if (!head) return;
    const to = Math.min(head.revision, fromRevision + limit - 1);
    if (to < fromRevision) return;
    let found: StreamStart = this.#read((reader) => reader.stream(head.position, fromRevision, to, DEFAULT_LIMITS.readChunkBytes));
    for (;;) {
      yield* decodeGathered(this.#codec, found);
      const positions = found.positions.slice(found.count);
      if (positions.length === 0) return;
      await this.#clock.turn();
      found = { ...this.#read((reader) => reader.events(positions, DEFAULT_LIMITS.readChunkBytes)), positions };
    }
  }

  async *readAll({ after = '0', limit = Infinity, withBytes = false }: ReadAllOptions = {}): AsyncGenerator<EventBatch, void> {
    assertCount('limit', limit);
    this.#assertOpen();
    let last = parseCheckpoint(after, this.#durable);
    let left = limit;
    while (left > 0 && last < this.#durable) {
      const before = last;
      for (const events of this.#pass(last, withBytes)) {
        const batch = events.length > left ? events.slice(0, left) : events;
        left -= batch.length;
        last = batch.at(-1)!.position;
        // A frame is durable whole, also where less of it was told.
        this.#durable = Math.max(this.#durable, last);
        yield batchOf(batch);
        if (left === 0) return;
      }
      if (last === before) throw new StoreUnavailable(`the log could not be read: no event after position ${last}`);
      await this.#clock.turn();
    }
  }

  async readAt(position: Position): Promise<RecordedEvent | null> {
    assertCount('position', position);
    this.#assertOpen();
    if (position < 1 || position > this.#durable) return null;
    const positions = Float64Array.of(position);
    const found = this.#read((reader) => reader.events(positions, DEFAULT_LIMITS.readChunkBytes));
    const [event] = decodeGathered(this.#codec, { ...found, positions });
    return event!;
  }

  async *subscribe({
    after = '0',
    signal,
  }: {
    readonly after?: Checkpoint;
    readonly signal: AbortSignal;
  }): AsyncGenerator<SubscriptionMessage, void> {
    this.#assertOpen();
    let checkpoint = after;
    const stop = (): void => this.#wake();
    signal.addEventListener('abort', stop);
    try {
      while (!this.#isOver(signal)) {
        for await (const batch of this.readAll({ after: checkpoint })) {
          if (this.#isOver(signal)) return;
          checkpoint = batch.checkpoint;
          yield { kind: 'events', ...batch };
        }
        if (this.#isOver(signal)) return;
        yield { kind: 'caught-up' };
        while (!this.#isOver(signal) && Number(checkpoint) >= this.#durable) await new Promise<void>((wake) => this.#waiting.add(wake));
      }
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  schemas(): readonly object[] {
    return this.#read((reader) => reader.header().schemas).map(({ schema }) => JSON.parse(schema) as object);
  }

  checkpointAt(position: Position): Checkpoint {
    assertCount('position', position);
    return String(position);
  }

  async head(): Promise<LogHead> {
    this.#assertOpen();
    return { position: this.#durable, checkpoint: String(this.#durable) };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#wake();
    this.#reader.close();
  }

  /** The frames of one message of the reader, as events. */
  *#pass(after: Position, withBytes: boolean): Generator<readonly RecordedEvent[], void> {
    const upTo = this.#durable;
    const chunk = this.#read((reader) => reader.chunk(after, upTo, DEFAULT_LIMITS.readChunkBytes));
    const bytes = asBuffer(chunk.frames);
    let events: RecordedEvent[] = [];
    for (let at = 0; at < bytes.length;) {
      at = decodeFrame(this.#codec, bytes, at, after, events, withBytes);
      if (events.length < DEFAULT_LIMITS.batchEvents) continue;
      yield events;
      events = [];
    }
    if (events.length > 0) yield events;
  }

  #read<T>(action: (reader: FrameReader) => T): T {
    this.#assertOpen();
    try {
      return action(this.#reader);
    } catch (cause) {
      throw new StoreUnavailable(`the log could not be read: ${(cause as Error).message}`, { cause });
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw new StoreUnavailable('the log is closed');
  }

  #isOver(signal: AbortSignal): boolean {
    return this.#closed || signal.aborted;
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
}

const batchOf = (events: readonly RecordedEvent[]): EventBatch => ({ events, checkpoint: String(events.at(-1)!.position) });
