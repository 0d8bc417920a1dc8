import { createRecordCodec, type RecordCodec } from '@nva/codec';
import { feedsOf, recordsOf, type Network, type TableRecord } from '@nva/fold';
import { feedKey, FeedRefused, vnidOf, type FeedBatch, type FeedName, type FeedRecord, type FeedWriter, type LogMark, type Undecodable } from '@nva/ports';
import { further } from './lost-end.ts';
import { feedValue, type Owns } from './records.ts';

export interface Reconciliation {
  readonly feeds: number;
  /** Records found on the feeds, about VNs that are owned. */
  readonly read: number;
  readonly undecodable: number;
  /** Records that had to be published. */
  readonly published: number;
}

export interface ReconcileOptions {
  readonly log: string;
  /** What is about other VNs is neither judged nor touched. */
  readonly owns: Owns;
  /** Whether feeds of another log are made equal to this fold instead of refused. */
  readonly adopts: (log: string) => boolean;
  /** Rejects if the log does not reach so far: a record of it stands there. */
  readonly within: (mark: LogMark) => Promise<void>;
  /** Records published in one call at most. */
  readonly batchRecords: number;
  /** Told of every record that cannot be understood. */
  readonly undecodable: (feed: FeedName, failure: Undecodable) => void;
}

/** Feeds whose records are held in memory at once while they are compared. */
const FEEDS_READ_TOGETHER = 256;

interface Found {
  /** The last record of each key, in order of the feed. */
  readonly last: Map<string, FeedRecord>;
  readonly spoilt: Set<string>;
}

/**
 * Reads the feeds of all VNs that are owned and of all NVEs, and publishes what differs from the fold: a key that is missing, stands at another position or with another value, or
 * should not be there. This is what makes a checkpoint a convenience instead of a promise: a topic that was lost, a change that was cut in
 * two by a crash, and values that a corrected fold changed are all put right the same way (design, «On start and on takeover»).
 */
export async function reconcile(network: Network, writer: FeedWriter, options: ReconcileOptions): Promise<Reconciliation> {
  const ours = (feed: FeedName): boolean => feed.kind === 'nve' || options.owns(feed.vnid);
  const found = new Map((await writer.list()).filter(ours).map((feed) => [feedKey(feed), feed]));
  const due = new Map([...feedsOf(network)].filter(ours).map((feed) => [feedKey(feed), feed]));
  await writer.ensure([...due.values()]);
  const codec = createRecordCodec();
  const total = { feeds: 0, read: 0, undecodable: 0, published: 0 };
  let batches: FeedBatch[] = [];
  let pending = 0;
  const flush = async (): Promise<void> => {
    if (batches.length > 0) await writer.publish(batches);
    total.published += pending;
    [batches, pending] = [[], 0];
  };
  const feeds = [...new Map([...found, ...due]).values()];
  // An NVE is told of a VN before it appears in it (contract, «Kafka»); within one call of `publish` there is no order of feeds.
  for (const kind of ['nve', 'vn'] as const) {
    for (const group of groups(feeds.filter((feed) => feed.kind === kind))) {
      for (const [feed, existing] of await readLast(writer, group, options, total)) {
        total.feeds++;
        if (writer.fillWhenRead && isEmpty(existing)) {
          writer.fillWhenRead(feed, () => ({ records: differenceOf(network, feed, NOTHING, writer, codec, options), position: network.position }));
          continue;
        }
        const difference = differenceOf(network, feed, existing, writer, codec, options);
        for (let at = 0; at < difference.length; at += options.batchRecords) {
          const records = difference.slice(at, at + options.batchRecords);
          batches.push({ feed, records });
          pending += records.length;
          if (pending >= options.batchRecords) await flush();
        }
      }
    }
    await flush();
  }
  // After everything was read, and so found to be of this log: what a purge left behind.
  for (const feed of found.values()) if (feed.kind === 'vn' && network.vns.get(feed.vnid)?.state.status === 'purged') await writer.delete(feed);
  return total;
}

function* groups(feeds: readonly FeedName[]): Generator<readonly FeedName[]> {
  for (let from = 0; from < feeds.length; from += FEEDS_READ_TOGETHER) yield feeds.slice(from, from + FEEDS_READ_TOGETHER);
}

async function readLast(writer: FeedWriter, feeds: readonly FeedName[], { log, owns, adopts, within, undecodable }: ReconcileOptions, total: { read: number; undecodable: number }): Promise<ReadonlyMap<FeedName, Found>> {
  const found = new Map(feeds.map((feed) => [feedKey(feed), { feed, last: new Map<string, FeedRecord>(), spoilt: new Set<string>() }]));
  let furthest: LogMark | null = null;
  for await (const { feed, record } of writer.readAll(feeds)) {
    const { last, spoilt } = found.get(feedKey(feed))!;
    if (record.key !== null && !owns(vnidOf(feed, record.key))) continue;
    total.read++;
    if ('undecodable' in record) {
      total.undecodable++;
      undecodable(feed, record);
      if (record.key !== null) {
        spoilt.add(record.key);
        last.delete(record.key);
      }
      continue;
    }
    if (record.log === log && record.position > (furthest?.position ?? 0)) furthest = further(furthest, record, writer.address(feed).topic);
    spoilt.delete(record.key);
    last.set(record.key, record);
  }
  // Nothing of these feeds has been written yet, so whoever accepts the loss, or puts the log back, finds them as they were.
  if (furthest) await within(furthest);
  // What stands superseded or removed in a feed that was adopted is of the log before, until compaction takes it.
  for (const { feed, last } of found.values()) {
    const foreign = [...last.values()].find((record) => record.value !== null && record.log !== log && !adopts(record.log));
    if (foreign) throw new FeedRefused(`feed ${feedKey(feed)} belongs to log ${foreign.log}, this is log ${log}; set FEED_ADOPT=true to make the feeds equal to this log`);
  }
  return new Map([...found.values()].map(({ feed, ...rest }) => [feed, rest]));
}

const NOTHING: Found = { last: new Map(), spoilt: new Set() };
const isEmpty = ({ last, spoilt }: Found): boolean => last.size === 0 && spoilt.size === 0;

/** In order of position, each change of the log ended, so that a consumer meets them as it would have live. */
function differenceOf(network: Network, feed: FeedName, found: Found, writer: FeedWriter, codec: RecordCodec, { log, owns }: ReconcileOptions): FeedRecord[] {
  const difference: Writable<FeedRecord>[] = [];
  const { last, spoilt } = found;
  const live = new Set<string>();
  const empty = isEmpty(found);
  for (const record of recordsOf(network, feed)) {
    if (!owns(vnidOf(feed, record.key))) continue;
    if (!empty) live.add(record.key);
    const present = last.get(record.key);
    if (!present || !same(present, record, writer, codec, log)) {
      difference.push({ key: record.key, value: feedValue(record.value, writer), position: record.position, log, changeEnd: false });
    }
  }
  const gone = [...last.values()].filter((record) => record.value !== null && !live.has(record.key)).map((record) => record.key);
  for (const key of [...gone, ...[...spoilt].filter((name) => !live.has(name))]) {
    difference.push({ key, value: null, position: network.position, log, changeEnd: false });
  }
  difference.sort((a, b) => a.position - b.position);
  difference.forEach((record, i) => (record.changeEnd = difference[i + 1]?.position !== record.position));
  return difference;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

function same(present: FeedRecord, due: TableRecord, writer: FeedWriter, codec: RecordCodec, log: string): boolean {
  if (present.value === null || present.log !== log || present.position !== due.position) return false;
  return codec.encode(present.value).equals(codec.encode(feedValue(due.value, writer)));
}
