import type { TopicMessages } from 'kafkajs';
import type { EncodedRecord } from './record-format.ts';

/**
 * Maximum bytes of one record batch, which is what one topic gets in one request. The broker's limit is 1,048,588
 * (`message.max.bytes`); a single larger record is sent alone, so that the broker refuses it.
 */
export const MAX_BATCH_BYTES = 900_000;
/** Maximum bytes of one request to a broker, whose limit is 100 MiB (`socket.request.max.bytes`). */
export const MAX_REQUEST_BYTES = 8_000_000;
/** A transaction takes queued records up to these bounds; whole changes only. */
export const MAX_TRANSACTION_RECORDS = 10_000;
export const MAX_TRANSACTION_BYTES = 8_000_000;

export interface TopicRecords {
  readonly topic: string;
  readonly records: readonly EncodedRecord[];
}

export interface Slice extends TopicRecords {
  readonly bytes: number;
}

/** Cuts a topic's records into slices within the bounds of a transaction, only at ends of changes. */
export function slices({ topic, records }: TopicRecords): Slice[] {
  const result: Slice[] = [];
  let from = 0;
  let bytes = 0;
  for (let i = 0; i < records.length; i++) {
    bytes += records[i]!.bytes;
    const full = i + 1 - from >= MAX_TRANSACTION_RECORDS || bytes >= MAX_TRANSACTION_BYTES;
    if ((full && records[i]!.changeEnd) || i === records.length - 1) {
      result.push({ topic, records: from === 0 && i === records.length - 1 ? records : records.slice(from, i + 1), bytes });
      from = i + 1;
      bytes = 0;
    }
  }
  return result;
}

/**
 * The requests that carry the slices, one after the other: many topics in each, at most one record batch per topic, in order
 * within each topic.
 */
export function requests(pending: readonly TopicRecords[]): TopicMessages[][] {
  const byTopic = new Map<string, EncodedRecord[]>();
  for (const { topic, records } of pending) {
    const known = byTopic.get(topic);
    if (known) known.push(...records);
    else byTopic.set(topic, [...records]);
  }
  const result: TopicMessages[][] = [];
  const cursors = new Map([...byTopic.keys()].map((topic) => [topic, 0]));
  while (cursors.size > 0) {
    const request: TopicMessages[] = [];
    let requestBytes = 0;
    for (const [topic, from] of cursors) {
      if (requestBytes >= MAX_REQUEST_BYTES) break;
      const records = byTopic.get(topic)!;
      let to = from;
      let bytes = 0;
      while (to < records.length && (to === from || bytes + records[to]!.bytes <= MAX_BATCH_BYTES)) bytes += records[to++]!.bytes;
      request.push({ topic, messages: records.slice(from, to).map((record) => record.message) });
      requestBytes += bytes;
      if (to === records.length) cursors.delete(topic);
      else cursors.set(topic, to);
    }
    result.push(request);
  }
  return result;
}
