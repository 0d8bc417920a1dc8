import type { RecordedEvent as ServerEvent } from '@eventstore/db-client';
import { CodecError, type AvroJsonCodec, type NvaEvent } from '@nva/codec';
import {
  LogRefused,
  MAX_EVENTS_PER_APPEND,
  NO_STREAM,
  WRITTEN_BY_NEWER,
  type EventToAppend,
  type RecordedEvent,
  type StreamAppend,
} from '@nva/ports';
import { MAX_APPEND_BYTES, MAX_STREAM_NAME_BYTES } from './limits.ts';
import { placeOf } from './positions.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * An event in EventStoreDB: its type is the name of its schema, its data the JSON encoding of Avro. The metadata names the
 * writer's schema, and repeats the correlation id under the name that the server's own projection by correlation id uses.
 */
export interface EventMetadata {
  readonly schemaFingerprint: string;
  readonly $correlationId: string;
}

export interface JsonEvent {
  readonly type: string;
  readonly data: unknown;
  readonly metadata: EventMetadata;
}

export function toJsonEvent(codec: AvroJsonCodec<NvaEvent>, event: NvaEvent): JsonEvent {
  const { fingerprint, json } = codec.encode(event);
  return { type: event.type, data: json, metadata: { schemaFingerprint: fingerprint, $correlationId: event.data.audit.correlationId } };
}

/** The schema fingerprint in an event's metadata; null if there is none. */
export function fingerprintOf({ metadata }: Pick<ServerEvent, 'metadata'>): string | null {
  const fingerprint = (metadata as Partial<EventMetadata> | undefined)?.schemaFingerprint;
  return typeof fingerprint === 'string' ? fingerprint : null;
}

/** An event as it is sent: both parts are JSON text. */
export interface EncodedEvent {
  readonly id: string;
  readonly type: string;
  readonly data: Buffer;
  readonly metadata: Buffer;
}

export const encodedEvent = (
  id: string,
  { type, data, metadata }: Omit<JsonEvent, 'metadata'> & { readonly metadata?: EventMetadata },
): EncodedEvent => ({
  id,
  type,
  data: Buffer.from(JSON.stringify(data)),
  metadata: Buffer.from(metadata === undefined ? '' : JSON.stringify(metadata)),
});

/** A checked and encoded append, with the stream's name on the server. */
export interface PreparedAppend {
  readonly append: StreamAppend;
  readonly serverStream: string;
  readonly events: readonly EncodedEvent[];
  readonly bytes: number;
}

export class EventFormat {
  readonly prefix: string;
  readonly codec: AvroJsonCodec<NvaEvent>;

  constructor(prefix: string, codec: AvroJsonCodec<NvaEvent>) {
    this.prefix = prefix;
    this.codec = codec;
  }

  /** Throws RangeError or CodecError, naming what it received. */
  prepare(append: StreamAppend): PreparedAppend {
    const { stream, expectedRevision, events } = append;
    if (events.length === 0 || events.length > MAX_EVENTS_PER_APPEND)
      throw new RangeError(`an append holds 1 to ${MAX_EVENTS_PER_APPEND} events, got ${events.length} for «${stream}»`);
    if (!Number.isSafeInteger(expectedRevision) || expectedRevision < NO_STREAM)
      throw new RangeError(`an expected revision is a whole number from ${NO_STREAM}, got ${expectedRevision} for «${stream}»`);
    const nameBytes = Buffer.byteLength(stream);
    if (nameBytes === 0 || nameBytes > MAX_STREAM_NAME_BYTES || !stream.isWellFormed())
      throw new RangeError(`a stream's name is Unicode text of 1 to ${MAX_STREAM_NAME_BYTES} bytes, got «${stream}»`);
    const prepared = events.map((event) => this.#encode(event));
    const bytes = prepared.reduce((sum, event) => sum + sizeOf(event), 0);
    if (bytes > MAX_APPEND_BYTES) throw new RangeError(`an append holds at most ${MAX_APPEND_BYTES} bytes, got ${bytes} for «${stream}»`);
    return { append, serverStream: this.prefix + stream, events: prepared, bytes };
  }

  isOurs({ streamId }: Pick<ServerEvent, 'streamId'>): boolean {
    return streamId.startsWith(this.prefix);
  }

  /** Throws LogRefused for an event under our prefix that is not ours. The event's schema must have been learned. */
  decode(recorded: ServerEvent, withBytes = false): RecordedEvent {
    const { streamId, revision, id, type } = recorded;
    const what = `event ${revision} of «${streamId}»`;
    if (type === '$streamDeleted') throw new LogRefused(`«${streamId}» has been deleted on the server: the log has lost a stream`);
    const fingerprint = fingerprintOf(recorded);
    if (!recorded.isJson || fingerprint === null)
      throw new LogRefused(`${what}, «${type}», is not an event of this log: nothing else may write under «${this.prefix}»`);
    const { commit } = placeOf(recorded.position, what);
    let event: NvaEvent;
    try {
      event = this.codec.decode(fingerprint, recorded.data);
    } catch (cause) {
      if (!this.codec.knows(fingerprint))
        throw new LogRefused(`${what}, «${type}», is under schema ${fingerprint}, which this build does not know. ${WRITTEN_BY_NEWER}`, {
          cause,
        });
      throw new LogRefused(`${what} cannot be read: ${(cause as Error).message}`, { cause });
    }
    if (event.type !== type) throw new LogRefused(`${what} is «${type}» by its type and «${event.type}» by its schema`);
    const decoded = { position: commit, stream: streamId.slice(this.prefix.length), revision: Number(revision), id, event };
    return withBytes ? { ...decoded, bytes: this.codec.toBytes(fingerprint, recorded.data) } : decoded;
  }

  #encode({ id, event }: EventToAppend): EncodedEvent {
    if (!UUID.test(id)) throw new RangeError(`event id must be a UUID in lower case, got «${id}»`);
    if (typeof event.type !== 'string') throw new CodecError('an event has a type');
    return encodedEvent(id, toJsonEvent(this.codec, event));
  }
}

/** The size as the server counts it: data, metadata, and the type in UTF-16. */
const sizeOf = ({ type, data, metadata }: EncodedEvent): number => data.length + metadata.length + 2 * type.length;
