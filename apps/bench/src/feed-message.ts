import type { RecordCodec } from '@nva/codec';
import type { FeedRecord } from '@nva/ports';
import type { Message } from 'kafkajs';

/** A record on Kafka in the form of the contract, made without the measured library. */
export function feedMessage(
  { key, value, position, log, changeEnd, eventType, correlationId, recordedAt }: FeedRecord,
  codec: RecordCodec,
): Message {
  return {
    key,
    value: value && codec.encode(value),
    partition: 0,
    headers: {
      'position': String(position),
      log,
      ...(changeEnd ? { 'change-end': '1' } : {}),
      'event-type': eventType ?? '',
      'correlation-id': correlationId ?? '',
      'recorded-at': String(recordedAt ?? 0),
    },
  };
}
