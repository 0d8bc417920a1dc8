import { AvroJsonCodec, type EventCodec, type NvaEvent } from '@nva/codec';
import {
  LogRefused,
  silentLogger,
  type AppendResult,
  type ArchivableLog,
  type Checkpoint,
  type Clock,
  type EventBatch,
  type EventStore,
  type Leader,
  type LogHead,
  type Logger,
  type Position,
  type ReadAllOptions,
  type RecordedEvent,
  type StreamAppend,
  type SubscriptionMessage,
} from '@nva/ports';
import { Appends } from './appends.ts';
import { BatchAppend } from './batch-append.ts';
import { Connection } from './connection.ts';
import { isDenied, isFinal, portError } from './errors.ts';
import { EventFormat } from './event-format.ts';
import { DEFAULT_LIMITS, type EventStoreDbLimits, TELL_EVERY_MS } from './limits.ts';
import { closedError } from './link.ts';
import { LogStream } from './log-stream.ts';
import { Observed } from './observed.ts';
import { checkpointAt, parseCheckpoint } from './positions.ts';
import { Reads } from './reads.ts';
import { Subscriptions } from './subscriptions.ts';
import { wait, within } from './waiting.ts';

/** One dash, at the end: so no prefix is the beginning of another, and the server's projection by category finds the streams. */
const PREFIX = /^[A-Za-z0-9_.]{1,64}-$/;
export const DEFAULT_PREFIX = 'nvo3-';

export interface EventStoreDbOptions extends Partial<EventStoreDbLimits> {
  /** The connection string: nodes, TLS, credentials, node preference. */
  readonly url: string;
  /** Prefix of the names of all streams of this log, `nvo3-` by default. */
  readonly prefix?: string;
  /** Contains today's schemas; the schemas that the log was written with are learned from the log. */
  readonly codec: EventCodec;
  readonly clock: Clock;
  readonly log?: Logger;
  /** Ends `open`, which otherwise waits for the server without end. */
  readonly signal?: AbortSignal;
}

/**
 * The event log on EventStoreDB or KurrentDB: each of our streams is a server stream under a prefix, a position is a place in
 * `$all`, and events are JSON that the server's own tools can read. Any number of processes share one log.
 *
 * Why not catching up by paging through `$all` and polling: a subscription is pushed, and the server filters it. Why not
 * persistent subscriptions: they keep the consumer's place on the server, and our consumers keep it beside their own state.
 */
export class EventStoreDbEventStore implements EventStore, ArchivableLog {
  readonly logId: string;
  /** An append that met a node which is not the leader, or lost its connection, is sent again behind later ones. */
  readonly keepsOrder = false;
  readonly #connection: Connection;
  readonly #appends: Appends;
  readonly #reads: Reads;
  readonly #subscriptions: Subscriptions;
  #closing: Promise<void> | undefined;

  private constructor(logId: string, connection: Connection, appends: Appends, reads: Reads, subscriptions: Subscriptions) {
    this.logId = logId;
    this.#connection = connection;
    this.#appends = appends;
    this.#reads = reads;
    this.#subscriptions = subscriptions;
  }

  /**
   * Opens the log, or creates it if there is none under this prefix. Waits for a server that does not answer, or has no leader,
   * and logs this once every 10 s. Throws errors that waiting cannot solve: RangeError for wrong options, LogRefused for a server
   * or a stream that cannot be this log, and for access denied; and StoreUnavailable when `signal` aborts.
   */
  static async open(given: EventStoreDbOptions): Promise<EventStoreDbEventStore> {
    const { codec, prefix = DEFAULT_PREFIX, log = silentLogger } = given;
    const { limits, connection, format, batchAppend, logStream } = connected(given);
    const end = (): void => void connection.close();
    given.signal?.addEventListener('abort', end);
    if (given.signal?.aborted) end();
    try {
      const logId = await opened({ connection, logStream, codec, clock: given.clock, limits, log });
      const parts = { connection, batchAppend, format, logStream, observed: new Observed(), limits, clock: given.clock, log };
      const reads = new Reads(parts);
      return new EventStoreDbEventStore(
        logId,
        connection,
        new Appends(parts),
        reads,
        new Subscriptions({ connection, reads, prefix, limits, log }),
      );
    } catch (error) {
      await connection.close();
      throw portError(error, 'opening the log');
    } finally {
      given.signal?.removeEventListener('abort', end);
    }
  }

  /** Gives the log of these options another id (`LogStream.renew`). Throws as `open` does, and LogRefused if there is no log. */
  static async renew(given: EventStoreDbOptions, logId: string): Promise<void> {
    const { limits, connection, logStream } = connected(given);
    try {
      await within(
        limits.openDeadlineMs,
        'renewing the log',
        connection.assertVersion(limits.openDeadlineMs).then(() => logStream.renew(logId, limits.openDeadlineMs)),
      );
    } catch (error) {
      throw portError(error, 'renewing the log');
    } finally {
      await connection.close();
    }
  }

  /** The leader that appends and reads go to. */
  get leader(): Leader {
    return this.#connection.leaderState;
  }

  async append(appends: readonly StreamAppend[]): Promise<readonly AppendResult[]> {
    this.#assertOpen();
    return this.#appends.append(appends);
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

  async *readAll({ after = checkpointAt(0), limit = Infinity, withBytes = false }: ReadAllOptions = {}): AsyncGenerator<EventBatch, void> {
    assertCount('limit', limit);
    this.#assertOpen();
    yield* this.#reads.all(parseCheckpoint(after), limit, withBytes);
  }

  async *readAllBackwards({ before, limit = Infinity }: { readonly before?: Position; readonly limit?: number } = {}): AsyncGenerator<
    readonly RecordedEvent[],
    void
  > {
    if (before !== undefined) assertCount('before', before);
    assertCount('limit', limit);
    this.#assertOpen();
    yield* this.#reads.allBackwards(before, limit);
  }

  async readAt(position: Position): Promise<RecordedEvent | null> {
    assertCount('position', position);
    this.#assertOpen();
    return this.#reads.at(position);
  }

  async *subscribe({
    after = checkpointAt(0),
    signal,
  }: {
    readonly after?: Checkpoint;
    readonly signal: AbortSignal;
  }): AsyncGenerator<SubscriptionMessage, void> {
    this.#assertOpen();
    yield* this.#subscriptions.from(parseCheckpoint(after), signal);
  }

  /** Those that this process has met, in the log's own stream or as its own. */
  schemas(): readonly object[] {
    return this.#reads.schemas();
  }

  checkpointAt(position: Position): Checkpoint {
    return checkpointAt(position);
  }

  async head(): Promise<LogHead> {
    this.#assertOpen();
    return this.#reads.head();
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#appends.settled().then(() => this.#connection.close()));
  }

  #assertOpen(): void {
    if (this.#closing) throw closedError();
  }
}

function connected({
  url,
  prefix = DEFAULT_PREFIX,
  codec,
  clock,
  log = silentLogger,
  signal: _signal,
  ...limitsGiven
}: EventStoreDbOptions) {
  if (!PREFIX.test(prefix)) throw new RangeError(`a prefix is letters, digits, «_» or «.», and one dash at its end, got «${prefix}»`);
  const connection = new Connection(url, clock, log);
  const format = new EventFormat(prefix, new AvroJsonCodec<NvaEvent>(codec.schemas));
  const batchAppend = new BatchAppend(connection);
  return {
    limits: { ...DEFAULT_LIMITS, ...limitsGiven },
    connection,
    format,
    batchAppend,
    logStream: new LogStream(connection, batchAppend, format),
  };
}

interface Opening {
  readonly connection: Connection;
  readonly logStream: LogStream;
  readonly codec: EventCodec;
  readonly clock: Clock;
  readonly limits: EventStoreDbLimits;
  readonly log: Logger;
}

/** The log's id, as soon as the server gives it. */
async function opened({ connection, logStream, codec, clock, limits, log }: Opening): Promise<string> {
  let toldMs = clock.monotonicMs();
  for (let delayMs = limits.firstDelayMs; ; delayMs = Math.min(2 * delayMs, limits.largestDelayMs)) {
    try {
      await connection.assertVersion(Infinity);
      return await logStream.open(codec.schemas, limits.openDeadlineMs);
    } catch (error) {
      const reason = portError(error, 'opening the log');
      if (isFinal(reason) || connection.closed) throw reason;
      if (isDenied(error)) throw new LogRefused(`opening the log: access denied by the server: ${reason.message}`, { cause: error });
      // `Link` reports that no node answers; this reports a node that answers, but not with the log.
      if (clock.monotonicMs() - toldMs >= TELL_EVERY_MS) {
        toldMs = clock.monotonicMs();
        log.warn('the log cannot be opened yet: waiting for the event store', { err: reason });
      }
      await wait(delayMs, connection.signal);
    }
  }
}

function assertCount(name: string, value: number): void {
  if (value !== Infinity && (!Number.isSafeInteger(value) || value < 0))
    throw new RangeError(`${name} is a whole number from 0, got ${value}`);
}
