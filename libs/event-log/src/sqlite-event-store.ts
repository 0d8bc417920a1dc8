import { pathToFileURL } from 'node:url';
import type { EventCodec } from '@nva/codec';
import {
  LogRefused,
  silentLogger,
  StoreUnavailable,
  type AppendResult,
  type Checkpoint,
  type Clock,
  type EventBatch,
  type EventStore,
  type Logger,
  type LogHead,
  type Position,
  type ReadAllOptions,
  type RecordedEvent,
  type StreamAppend,
  type SubscriptionMessage,
} from '@nva/ports';
import { AcknowledgedEnd } from './acknowledged-end.ts';
import { AppendDecider } from './append-decider.ts';
import { replaceMarker } from './end-marker.ts';
import { GroupCommit } from './group-commit.ts';
import { inspect, type Inspected } from './inspection.ts';
import { DEFAULT_LIMITS, type EventLogLimits } from './limits.ts';
import { LogDirectory } from './log-directory.ts';
import type { StreamHead } from './log-follower.ts';
import { LogReader } from './log-reader.ts';
import type { WriterRequest } from './protocol.ts';
import { parseCheckpoint, assertCount } from './read-options.ts';
import { StoredReads } from './stored-reads.ts';
import { Subscriptions } from './subscriptions.ts';
import { WorkerClient } from './worker-client.ts';

export interface SqliteEventStoreOptions extends Partial<EventLogLimits> {
  /** The log's own directory; created if there is none. It may hold nothing else. */
  readonly directory: string;
  /** The store teaches it the schemas that the log was written with. */
  readonly codec: EventCodec;
  readonly clock: Clock;
  /** Receives messages about files that others could open. */
  readonly logger?: Logger;
}

interface Parts {
  readonly directory: LogDirectory;
  readonly inspected: Inspected;
  readonly writer: WorkerClient<WriterRequest, unknown>;
  readonly reader: LogReader;
  readonly options: SqliteEventStoreOptions & EventLogLimits;
}

/**
 * The embedded event log: one SQLite file, one process. This thread decides appends on the stream heads that it keeps in memory,
 * and encodes events into frames (`AppendDecider`). A writer thread commits the frames in groups (`GroupCommit`, WAL,
 * synchronous=FULL, an answer only after the fsync). A reader thread reads and checks frames, and this thread decodes them
 * (`StoredReads`).
 *
 * Why not a row per event with an index over streams: with the same batches this has a quarter of the speed and takes twice the
 * bytes. Why appends are decided here and not in SQL: the heads must include events that are not yet durable, or group commit
 * could not overlap with deciding.
 *
 * Live subscribers get the very event objects that were appended: treat an event as immutable as soon as it is given to `append`.
 * Bad arguments (RangeError) and events that no schema allows (CodecError) reject a call before any of its events lands.
 */
export class SqliteEventStore implements EventStore {
  readonly logId: string;
  /** One writer appends call after call. */
  readonly keepsOrder = true;
  readonly #directory: LogDirectory;
  readonly #writer: WorkerClient<WriterRequest, unknown>;
  readonly #reader: LogReader;
  readonly #commits: GroupCommit;
  readonly #decider: AppendDecider;
  readonly #reads: StoredReads;
  readonly #subscriptions: Subscriptions;
  readonly #endLooks: () => void;
  #closing: Promise<void> | undefined;

  private constructor({ directory, inspected, writer, reader, options }: Parts) {
    this.logId = inspected.logId;
    this.#directory = directory;
    this.#writer = writer;
    this.#reader = reader;
    this.#commits = new GroupCommit(writer, inspected.end.position, options.clock, options, {
      durable: (appends, first) => this.#subscriptions.publish(appends, first),
      failed: (reason) => this.#subscriptions.end(reason),
    });
    this.#reads = new StoredReads(reader, options.codec, options, inspected.heads, this.#commits);
    this.#subscriptions = new Subscriptions(this.#reads, options, this.#commits);
    this.#decider = new AppendDecider(options.codec, inspected, this.#commits, this.#reads);
    this.#endLooks = options.clock.every(options.lookIntervalMs, () => void this.#commits.look(), { background: true });
  }

  /** Opens or creates the log. Throws LogRefused if it is not a whole log of this format, or is open elsewhere. */
  static async open(given: SqliteEventStoreOptions): Promise<SqliteEventStore> {
    const options = { ...DEFAULT_LIMITS, ...given };
    const directory = LogDirectory.take(options.directory, options.clock, options.logger ?? silentLogger);
    // Both threads start while the log is read, but the writer touches nothing before the log has been found whole.
    const reader = new LogReader(options);
    const writer = new WorkerClient<WriterRequest, unknown>('writer.worker');
    try {
      const acknowledged = AcknowledgedEnd.read(directory);
      const inspected = await inspect(directory, reader, options.codec, acknowledged);
      // A crash may leave events whose append was not answered. From now on they are read, so they must not be lost any more.
      if (!acknowledged?.says(inspected.end)) replaceMarker(directory.markerPath, inspected.end);
      await writer.call({
        kind: 'open',
        path: directory.path,
        markerPath: directory.markerPath,
        checkpointPages: options.checkpointPages,
        busyLimitMs: options.busyLimitMs,
        raiseFormat: !directory.hasMarker,
      });
      await reader.open(pathToFileURL(directory.path).href, false);
      return new SqliteEventStore({ directory, inspected, writer, reader, options });
    } catch (error) {
      await Promise.all([reader.stop(), writer.stop()]);
      directory.release();
      throw error instanceof LogRefused
        ? error
        : new LogRefused(`${directory.path} cannot be opened for writing: ${(error as Error).message}`, { cause: error });
    }
  }

  async append(appends: readonly StreamAppend[]): Promise<readonly AppendResult[]> {
    this.#assertOpen();
    return this.#decider.append(appends);
  }

  async *readStream(
    stream: string,
    { fromRevision = 0, limit = Infinity }: { readonly fromRevision?: number; readonly limit?: number } = {},
  ): AsyncGenerator<RecordedEvent, void> {
    assertCount('fromRevision', fromRevision);
    assertCount('limit', limit);
    this.#assertOpen();
    yield* this.#reads.stream(stream, fromRevision, limit);
  }

  async *readAll({ after = '0', limit = Infinity, withBytes = false }: ReadAllOptions = {}): AsyncGenerator<EventBatch, void> {
    assertCount('limit', limit);
    this.#assertOpen();
    const position = parseCheckpoint(after, this.#commits.durable);
    for await (const events of this.#reads.all(position, limit, Infinity, withBytes)) yield batchOf(events);
  }

  async *readAllBackwards({
    before = Infinity,
    limit = Infinity,
  }: { readonly before?: Position; readonly limit?: number } = {}): AsyncGenerator<readonly RecordedEvent[], void> {
    assertCount('before', before);
    assertCount('limit', limit);
    this.#assertOpen();
    yield* this.#reads.back(before, limit);
  }

  async readAt(position: Position): Promise<RecordedEvent | null> {
    assertCount('position', position);
    this.#assertOpen();
    return this.#reads.at(position);
  }

  /** The last event of a stream; null for a stream without events. For a `LogFollower`. */
  async headOf(stream: string): Promise<StreamHead | null> {
    this.#assertOpen();
    return this.#reads.headOf(stream);
  }

  async *subscribe({
    after = '0',
    signal,
  }: {
    readonly after?: Checkpoint;
    readonly signal: AbortSignal;
  }): AsyncGenerator<SubscriptionMessage, void> {
    this.#assertOpen();
    for await (const events of this.#subscriptions.from(parseCheckpoint(after, this.#commits.durable), signal)) {
      yield events === 'caught-up' ? { kind: 'caught-up' } : { kind: 'events', ...batchOf(events) };
    }
  }

  checkpointAt(position: Position): Checkpoint {
    assertCount('position', position);
    return String(position);
  }

  async head(): Promise<LogHead> {
    this.#assertOpen();
    return { position: this.#commits.durable, checkpoint: String(this.#commits.durable) };
  }

  /** Calls that still wait for room are refused; their events are not written. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const closed = new StoreUnavailable('the log is closed');
    this.#commits.refuseNew(closed);
    // A failing commit has been reported to its callers already.
    await this.#commits.whenDurable().catch(() => undefined);
    this.#commits.end(closed);
    this.#endLooks();
    this.#subscriptions.end(null);
    this.#reads.end(closed);
    // The reader first: the last connection that closes copies the WAL into the file and removes it, unless SQLite finds that the
    // file has been moved away. A thread that has ended has nothing to close.
    for (const part of [() => this.#reader.close(), () => this.#writer.call({ kind: 'close' })]) await part().catch(() => undefined);
    await Promise.all([this.#reader.stop(), this.#writer.stop()]);
    this.#directory.release();
  }

  #assertOpen(): void {
    if (this.#closing) throw new StoreUnavailable('the log is closed');
  }
}

const batchOf = (events: readonly RecordedEvent[]): EventBatch => ({ events, checkpoint: String(events.at(-1)!.position) });
