import { CONTEXT_KEY, type Audit, type FeedValue } from '@nva/codec';
import type { Network, RecordChange, TableValue } from '@nva/fold';
import {
  feedKey,
  vnidOf,
  type FeedBatch,
  type FeedName,
  type FeedRecord,
  type FeedWriter,
  type Position,
  type RecordedEvent,
} from '@nva/ports';

/** Whether this process distributes the VN: its feed, and the NVEs' memberships in it. */
export type Owns = (vnid: number) => boolean;

/** Adds to a membership where its VN's feed is found; other values are published as the fold has them. */
export function feedValue(value: TableValue, writer: Pick<FeedWriter, 'address'>): FeedValue {
  if (value.type !== 'Membership') return value;
  const { vnid, since } = value.data;
  const { topic, brokers } = writer.address({ kind: 'vn', vnid });
  return { type: 'Membership', data: { vnid, topic, brokers: brokers ?? null, since } };
}

/** The records of one event about owned VNs, feed by feed; the last record in each feed ends the change there. */
export function recordsOfChange(
  recorded: RecordedEvent,
  changes: readonly RecordChange[],
  log: string,
  writer: Pick<FeedWriter, 'address'>,
  owns: Owns,
): FeedBatch[] {
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
    batch.records.push({
      key,
      value: value && feedValue(value, writer),
      position,
      log,
      changeEnd: false,
      eventType: event.type,
      correlationId,
      recordedAt,
    });
  });
  for (const { records } of batches.values()) records[records.length - 1] = { ...records.at(-1)!, changeEnd: true };
  return [...batches.values()];
}

/**
 * An NVE follows its own feed from its connection on, so the feed is created then: before its first record, as in a
 * reconciliation (X8). Every process does this; the first one creates the feed.
 */
export const feedOpenedBy = ({ event }: RecordedEvent): readonly FeedBatch[] =>
  event.type === 'NveConnected' ? [{ feed: { kind: 'nve', nveId: event.data.nveId }, records: [] }] : [];

/** One batch per feed, each in the order of the log. */
export function merge(batches: readonly FeedBatch[]): { readonly memberships: FeedBatch[]; readonly tables: FeedBatch[] } {
  const merged = new Map<string, { feed: FeedName; records: FeedBatch['records'][number][] }>();
  for (const { feed, records } of batches) {
    const name = feedKey(feed);
    const present = merged.get(name);
    if (present) present.records.push(...records);
    else merged.set(name, { feed, records: [...records] });
  }
  const all = [...merged.values()];
  return { memberships: all.filter(({ feed }) => feed.kind === 'nve'), tables: all.filter(({ feed }) => feed.kind === 'vn') };
}

/**
 * Whether an empty feed is whole with what is about to be published to it, from the event at `from` on: the VN is created there,
 * or the NVE is in no VN from before.
 */
export function beginsWith(network: Network, feed: FeedName, batches: readonly FeedBatch[], from: Position): boolean {
  if (feed.kind === 'nve') return [...(network.nves.get(feed.nveId)?.memberships.values() ?? [])].every(({ since }) => since >= from);
  const first = batches.find((batch) => feedKey(batch.feed) === feedKey(feed))?.records[0];
  return first?.key === CONTEXT_KEY && first.eventType === 'VnCreated';
}

/** The records that an event adds to the feeds. */
export interface Queued {
  readonly position: Position;
  readonly recordedAt: number;
  readonly batches: readonly FeedBatch[];
}

/** A call of `publish` in flight. */
export interface Flight {
  readonly events: number;
  readonly records: number;
  readonly position: Position;
  readonly landed: Promise<void>;
}
