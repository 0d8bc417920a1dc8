import { BACKWARDS, END, type AllStreamResolvedEvent, type ResolvedEvent } from '@eventstore/db-client';
import { SchemaNotResolved, type EventCodec, type Fingerprint } from '@nva/codec';
import { LogRefused, NO_STREAM, randomIds, StoreUnavailable, WRITTEN_BY_NEWER } from '@nva/ports';
import type { BatchAppend } from './batch-append.ts';
import type { Connection } from './connection.ts';
import { isStreamNotFound, portError } from './errors.ts';
import { encodedEvent, type EncodedEvent, type EventFormat } from './event-format.ts';
import { MAX_OPEN_ATTEMPTS } from './limits.ts';
import { placeOf, START_PLACE, type Place } from './positions.ts';

const FORMAT_VERSION = 1;
const READ_EVENTS = 256;

interface LogCreated {
  readonly logId: string;
  readonly format: number;
}

interface LogRenewed {
  readonly logId: string;
  readonly previousLog: string;
}

interface SchemaAdded {
  readonly fingerprint: string;
  readonly schema: unknown;
}

/**
 * What all processes of a log must agree on, in a stream beside the log's own streams: the log's id, written first and renewed
 * when the loss of the log's end is accepted, and the schemas of its events. The stream's name is the prefix without the dash,
 * and `.log`: it is never under the prefix, so readAll and subscriptions do not meet it.
 */
export class LogStream {
  readonly name: string;
  readonly #connection: Connection;
  readonly #batchAppend: BatchAppend;
  readonly #format: EventFormat;
  readonly #known = new Set<string>();
  #logId: string | undefined;
  #createdAt: Place = START_PLACE;
  #revision = NO_STREAM;

  constructor(connection: Connection, batchAppend: BatchAppend, format: EventFormat) {
    this.#connection = connection;
    this.#batchAppend = batchAppend;
    this.#format = format;
    this.name = `${format.prefix.slice(0, -1)}.log`;
  }

  /** No event of this log stands before this place. */
  get createdAt(): Place {
    return this.#createdAt;
  }

  /**
   * Reads the stream, and appends what is missing there. If several processes open a new log at once, one creates it and all read
   * that one.
   */
  async open(schemas: EventCodec['schemas'], deadlineMs: number): Promise<string> {
    for (let attempt = 0; attempt < MAX_OPEN_ATTEMPTS; attempt++) {
      await this.learn(deadlineMs);
      const missing = schemas
        .filter(({ fingerprint }) => !this.#known.has(fingerprint))
        .map(({ fingerprint, schema }) => logEvent('SchemaAdded', { fingerprint, schema }));
      if (this.#logId === undefined) missing.unshift(logEvent('LogCreated', { logId: randomIds.uuid(), format: FORMAT_VERSION }));
      if (missing.length === 0) return this.#logId!;
      // Whether this append or another one came first, the next round reads the result.
      await this.#batchAppend.send(
        { stream: this.name, expectedRevision: this.#revision, events: missing },
        deadlineMs,
        `creating «${this.name}»`,
      );
    }
    throw new StoreUnavailable(`«${this.name}» changed under each of ${MAX_OPEN_ATTEMPTS} attempts to complete it`);
  }

  /**
   * Gives the log another id, which every process that opens it from now on uses. A repeat changes nothing. Throws LogRefused if
   * there is no such log.
   */
  async renew(logId: string, deadlineMs: number): Promise<void> {
    for (let attempt = 0; attempt < MAX_OPEN_ATTEMPTS; attempt++) {
      await this.learn(deadlineMs);
      if (this.#logId === undefined) throw new LogRefused(`there is no log to renew: «${this.name}» is empty`);
      if (this.#logId === logId) return;
      const renewed = logEvent('LogRenewed', { logId, previousLog: this.#logId });
      await this.#batchAppend.send(
        { stream: this.name, expectedRevision: this.#revision, events: [renewed] },
        deadlineMs,
        `renewing «${this.name}»`,
      );
    }
    throw new StoreUnavailable(`«${this.name}» changed under each of ${MAX_OPEN_ATTEMPTS} attempts to renew it`);
  }

  /** Reads the events that were added since. */
  async learn(withinMs: number): Promise<void> {
    const node = await this.#connection.leader(withinMs);
    try {
      for await (const resolved of this.#connection.take<ResolvedEvent>(
        node,
        node.client.readStream(this.name, { fromRevision: BigInt(this.#revision + 1), requiresLeader: true }),
        READ_EVENTS,
      ))
        for (const { event } of resolved) this.#apply(event!);
    } catch (error) {
      if (!isStreamNotFound(error)) throw portError(error, `reading «${this.name}»`);
    }
  }

  /** The last event of the server, of any log; null on a server without events. */
  async tail(withinMs: number): Promise<AllStreamResolvedEvent | null> {
    const node = await this.#connection.leader(withinMs);
    for await (const [last] of this.#connection.take<AllStreamResolvedEvent>(
      node,
      node.client.readAll({ direction: BACKWARDS, fromPosition: END, maxCount: 1, requiresLeader: true }),
      1,
    ))
      return last!;
    return null;
  }

  #apply({ type, data, revision, position }: NonNullable<ResolvedEvent['event']>): void {
    if (type === 'LogCreated') {
      const { logId, format } = data as unknown as LogCreated;
      if (format !== FORMAT_VERSION)
        throw new LogRefused(`«${this.name}» is of format ${format}; this build reads ${FORMAT_VERSION}. ${WRITTEN_BY_NEWER}`);
      this.#logId ??= logId;
      this.#createdAt = placeOf(position, `«${this.name}»`);
    } else if (type === 'LogRenewed') {
      this.#logId = (data as unknown as LogRenewed).logId;
    } else if (type === 'SchemaAdded') {
      const { fingerprint, schema } = data as unknown as SchemaAdded;
      const learned = this.#learned(schema);
      if (learned !== null && learned !== fingerprint) throw new LogRefused(`«${this.name}» gives schema ${learned} as ${fingerprint}`);
      this.#known.add(fingerprint);
    } else
      throw new LogRefused(
        `«${this.name}» holds «${type}»: it is not the stream of a log, or a newer build of the NVA wrote it: then start that build, or one newer still`,
      );
    this.#revision = Number(revision);
  }

  #learned(schema: unknown): Fingerprint | null {
    try {
      return this.#format.codec.learn(schema);
    } catch (cause) {
      if (cause instanceof SchemaNotResolved) throw new LogRefused(`«${this.name}»: ${cause.message}. ${WRITTEN_BY_NEWER}`, { cause });
      throw new LogRefused(`«${this.name}» holds a schema that cannot be read: ${(cause as Error).message}`, { cause });
    }
  }
}

const logEvent = (type: string, data: LogCreated | LogRenewed | SchemaAdded): EncodedEvent =>
  encodedEvent(randomIds.uuid(), { type, data });
