import { isUtf8 } from 'node:buffer';
import type { RecordCodec } from '@nva/codec';
import type { FeedRecord, Undecodable } from '@nva/ports';
import type { IHeaders, KafkaMessage, Message } from 'kafkajs';
import { PARTITION } from './topics.ts';

/**
 * A FeedRecord as a Kafka record (contract, «Kafka»): the key in UTF-8, the value in Avro single-object encoding or null, and
 * the headers `position`, `log`, `change-end`, `event-type`, `correlation-id`, `recorded-at`, all text.
 */
const CHANGE_END = '1';
/** Framing of a record in a record batch: lengths, deltas, header count, with a margin (Kafka, «Record»). */
const RECORD_OVERHEAD_BYTES = 32;
const HEADERS_OVERHEAD_BYTES = 96;

export interface EncodedRecord {
  readonly message: Message;
  /** Estimated size on the wire; never too low. */
  readonly bytes: number;
  readonly changeEnd: boolean;
}

/** Throws CodecError if its schema does not allow the value. */
export function encodeRecord(record: FeedRecord, codec: RecordCodec): EncodedRecord {
  const headers: IHeaders = { position: String(record.position), log: record.log };
  if (record.changeEnd) headers['change-end'] = CHANGE_END;
  if (record.eventType !== undefined) headers['event-type'] = record.eventType;
  if (record.correlationId !== undefined) headers['correlation-id'] = record.correlationId;
  if (record.recordedAt !== undefined) headers['recorded-at'] = String(record.recordedAt);
  const value = record.value === null ? null : codec.encode(record.value);
  const textBytes = 3 * (record.key.length + (record.eventType?.length ?? 0) + (record.correlationId?.length ?? 0));
  const bytes = RECORD_OVERHEAD_BYTES + HEADERS_OVERHEAD_BYTES + textBytes + record.log.length + (value?.length ?? 0);
  return {
    message: { key: record.keyBytes === undefined ? record.key : Buffer.from(record.keyBytes), value, headers, partition: PARTITION },
    bytes,
    changeEnd: record.changeEnd,
  };
}

export function isUndecodable(record: FeedRecord | Undecodable): record is Undecodable {
  return 'undecodable' in record;
}

/** Never throws: a record that cannot be understood is returned as Undecodable, with topic and offset. */
export function decodeRecord(topic: string, message: KafkaMessage, codec: RecordCodec): FeedRecord | Undecodable {
  const key = message.key === null ? null : message.key.toString('utf8');
  const keyBytes = message.key !== null && !isUtf8(message.key) ? message.key : undefined;
  try {
    if (key === null) throw new Error('it has no key');
    if (keyBytes !== undefined && message.value !== null) throw new Error('its key is not UTF-8');
    const headers = message.headers ?? {};
    const position = Number(text(headers['position']));
    const log = text(headers['log']);
    if (!Number.isSafeInteger(position) || position < 0 || log === undefined) throw new Error('its headers have no position or log');
    const eventType = text(headers['event-type']);
    const correlationId = text(headers['correlation-id']);
    const recordedAt = text(headers['recorded-at']);
    return {
      key,
      ...(keyBytes === undefined ? {} : { keyBytes }),
      value: message.value === null ? null : codec.decode(message.value),
      position,
      log,
      changeEnd: headers['change-end'] !== undefined,
      ...(eventType === undefined ? {} : { eventType }),
      ...(correlationId === undefined ? {} : { correlationId }),
      ...(recordedAt === undefined ? {} : { recordedAt: Number(recordedAt) }),
    };
  } catch (failure) {
    const cause = failure instanceof Error ? failure : new Error(String(failure));
    return {
      undecodable: true,
      key,
      ...(keyBytes === undefined ? {} : { keyBytes }),
      at: message.offset,
      cause: new Error(`Record at ${topic} offset ${message.offset} cannot be decoded: ${cause.message}`, { cause }),
    };
  }
}

/** A repeated header is an array; the last one counts. */
function text(header: IHeaders[string]): string | undefined {
  const last = Array.isArray(header) ? header.at(-1) : header;
  return last === undefined ? undefined : last.toString();
}
