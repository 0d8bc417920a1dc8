import type { Audit, FeedValue } from '@nva/codec';
import type { RecordChange, TableValue } from '@nva/fold';
import { feedKey, vnidOf, type FeedBatch, type FeedName, type FeedRecord, type FeedWriter, type RecordedEvent } from '@nva/ports';

/** Whether this process distributes the VN: its feed, and the NVEs' memberships of it. */
export type Owns = (vnid: number) => boolean;

/** Adds to a membership where its VN's feed is found; everything else goes out as the fold has it. */
export function feedValue(value: TableValue, writer: Pick<FeedWriter, 'address'>): FeedValue {
  if (value.type !== 'Membership') return value;
  const { vnid, since } = value.data;
  const { topic, brokers } = writer.address({ kind: 'vn', vnid });
  return { type: 'Membership', data: { vnid, topic, brokers: brokers ?? null, since } };
}

/** The records of one event about VNs that are owned, feed by feed; the last one in each feed ends the change there. */
export function recordsOfChange(recorded: RecordedEvent, changes: readonly RecordChange[], log: string, writer: Pick<FeedWriter, 'address'>, owns: Owns): FeedBatch[] {
  const { position, event } = recorded;
  const { recordedAt, correlationId }: Audit = event.data.audit;
  const batches = new Map<string, { feed: FeedName; records: FeedRecord[] }>();
  changes.forEach(({ feed, key, value }) => {
    if (!owns(vnidOf(feed, key))) return;
    const name = feedKey(feed);
    let batch = batches.get(name);
    if (!batch) {
      batch = { feed, records: [] };
      batches.set(name, batch);
    }
    batch.records.push({ key, value: value && feedValue(value, writer), position, log, changeEnd: false, eventType: event.type, correlationId, recordedAt });
  });
  for (const { records } of batches.values()) records[records.length - 1] = { ...records.at(-1)!, changeEnd: true };
  return [...batches.values()];
}
