import { CONTEXT_KEY, createRecordCodec, type RecordCodec } from '@nva/codec';
import { feedsOf, type Network } from '@nva/fold';
import {
  feedKey,
  FeedRefused,
  FeedsFailed,
  vnidOf,
  type FeedBatch,
  type FeedFailure,
  type FeedFilling,
  type FeedItem,
  type FeedName,
  type FeedRecord,
  type FeedWriter,
  type LogMark,
  type Position,
  type Timers,
  type Undecodable,
} from '@nva/ports';
import { IF_ADOPTED } from './feed-origin.ts';
import { further, type OwnEnd } from './lost-end.ts';
import type { Owns } from './records.ts';

export interface Reconciliation {
  readonly feeds: number;
  /** Records found on the feeds, about VNs that are owned. */
  readonly read: number;
  readonly undecodable: number;
  /** Records that had to be published. */
  readonly published: number;
  /** Of these the ones that should have been there, and not only have come about while the feeds were compared. */
  readonly wrong: number;
}

export interface ReconcileOptions {
  readonly log: string;
  readonly timers: Timers;
  /** What is about other VNs is neither judged nor touched. */
  readonly owns: Owns;
  /** Whether feeds of another log are made equal to this fold instead of refused. */
  readonly adopts: (log: string) => boolean;
  /** How far the records on a feed may reach, and what is wrong if one is beyond it. */
  readonly ownEnd: Pick<OwnEnd, 'of' | 'lost'>;
  /** Rejects if the log does not reach so far: a record of it stands there. */
  readonly within: (mark: LogMark) => Promise<void>;
  /** Records published in one call at most. */
  readonly batchRecords: number;
  /** Told of every record that cannot be understood. */
  readonly undecodable: (feed: FeedName, failure: Undecodable) => void;
  /** Only these feeds, as far as they are due. All by default. */
  readonly only?: readonly FeedName[];
  /** Feeds that are set aside: neither read nor written to. */
  readonly isClosed: (feed: FeedName) => boolean;
  /** Told of feeds that cannot be read; the others are compared all the same. */
  readonly failed: (failures: readonly FeedFailure[]) => void;
  /** Up to where everything is on the feeds, as far as is known. */
  readonly published: () => Position;
  /** The position of a feed's newest change. */
  readonly changedAt: (feed: FeedName) => Position;
  /** Hands a whole feed over as the fold has it, in steps: to compare it, and to whoever reads it first. */
  readonly fill: (feed: FeedName) => FeedFilling;
}

/** Feeds whose records are held in memory at once while they are compared. */
const FEEDS_READ_TOGETHER = 256;

interface Found {
  /** The last record of each key, in order of the feed. */
  readonly last: Map<string, FeedRecord>;
  /** Keys whose last record cannot be understood, by text, and of those that are no text the bytes. */
  readonly spoilt: Map<string, Uint8Array | undefined>;
}

/**
 * Reads the feeds of all VNs that are owned and of all NVEs, and publishes what differs from the fold: a key that is missing,
 * stands at another position or with another value, or should not be there. This is what makes a checkpoint a convenience instead
 * of a promise: a topic that was lost, a change that was cut in two by a crash, and values that a corrected fold changed are all
 * put right the same way (design/feeds, «A start compares the feeds with the fold»). A VN's feed that has no context gets it last:
 * until then its table is not whole, and no consumer takes it for that (contract, «Kafka»).
 */
export async function reconcile(network: Network, writer: FeedWriter, options: ReconcileOptions): Promise<Reconciliation> {
  const ours = (feed: FeedName): boolean => feed.kind === 'nve' || options.owns(feed.vnid);
  const only = options.only && new Set(options.only.map(feedKey));
  const named = (feeds: Iterable<FeedName>): Map<string, FeedName> =>
    new Map([...feeds].filter((feed) => ours(feed) && (only?.has(feedKey(feed)) ?? true)).map((feed) => [feedKey(feed), feed]));
  const found = only ? new Map<string, FeedName>() : named(await writer.list());
  const due = named(feedsOf(network));
  await writer.ensure([...due.values()]);
  const codec = createRecordCodec();
  const total = { feeds: 0, read: 0, undecodable: 0, published: 0, wrong: 0 };
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
    for (const group of groups(feeds.filter((feed) => feed.kind === kind && !options.isClosed(feed)))) {
      const asOf = options.published();
      for (const [feed, existing] of await readable(writer, group, options, total)) {
        total.feeds++;
        if (isEmpty(existing) && writer.fillWhenRead?.(feed, () => options.fill(feed))) continue;
        const difference = await differenceOf(feed, existing, codec, options);
        total.wrong += wrongIn(difference, feed, asOf, options);
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
  for (const feed of found.values())
    if (feed.kind === 'vn' && network.vns.get(feed.vnid)?.state.status === 'purged') await writer.delete(feed);
  return total;
}

/** How many records of a feed are not as the fold has them, beside what has come about while they were compared. Changes nothing. */
export async function differencesOf(writer: FeedWriter, feed: FeedName, options: ReconcileOptions): Promise<number> {
  const asOf = options.published();
  const [found] = (await readLast(writer, [feed], options, { read: 0, undecodable: 0 })).values();
  return wrongIn(await differenceOf(feed, found!, createRecordCodec(), options), feed, asOf, options);
}

/**
 * Of a difference what was so when everything up to `asOf` was on the feed. Of a removal that is known only if nothing of the feed
 * has changed since.
 */
function wrongIn(difference: readonly FeedRecord[], feed: FeedName, asOf: Position, { changedAt }: ReconcileOptions): number {
  const unchanged = changedAt(feed) <= asOf;
  return difference.filter(({ value, position }) => (value === null ? unchanged : position <= asOf)).length;
}

function* groups(feeds: readonly FeedName[]): Generator<readonly FeedName[]> {
  for (let from = 0; from < feeds.length; from += FEEDS_READ_TOGETHER) yield feeds.slice(from, from + FEEDS_READ_TOGETHER);
}

/** Those of the feeds that can be read. What keeps one from it is found by halves where the failure does not tell. */
async function readable(
  writer: FeedWriter,
  feeds: readonly FeedName[],
  options: ReconcileOptions,
  total: { read: number; undecodable: number },
): Promise<ReadonlyMap<FeedName, Found>> {
  if (feeds.length === 0) return new Map();
  try {
    return await readLast(writer, feeds, options, total);
  } catch (error) {
    const failures =
      error instanceof FeedsFailed
        ? error.failures
        : error instanceof NotRead && feeds.length === 1
          ? [{ feed: feeds[0]!, trouble: 'refused' as const, cause: error.cause }]
          : [];
    if (failures.length === 0 && !(error instanceof NotRead)) throw error;
    options.failed(failures);
    const failed = new Set(failures.map(({ feed }) => feedKey(feed)));
    const left = feeds.filter((feed) => !failed.has(feedKey(feed)));
    const middle = failures.length > 0 ? left.length : left.length >> 1;
    const halves = [
      await readable(writer, left.slice(0, middle), options, total),
      await readable(writer, left.slice(middle), options, total),
    ];
    return new Map(halves.flatMap((half) => [...half]));
  }
}

/** Reading was refused, as far as is known because of some feed among those that were read together. */
class NotRead extends Error {
  override readonly cause: Error;

  constructor(cause: Error) {
    super(cause.message);
    this.cause = cause;
  }
}

async function* reading(writer: FeedWriter, feeds: readonly FeedName[]): AsyncGenerator<FeedItem> {
  try {
    yield* writer.readAll(feeds);
  } catch (error) {
    throw error instanceof FeedRefused ? new NotRead(error) : error;
  }
}

async function readLast(
  writer: FeedWriter,
  feeds: readonly FeedName[],
  { log, owns, adopts, within, ownEnd, undecodable }: ReconcileOptions,
  total: { read: number; undecodable: number },
): Promise<ReadonlyMap<FeedName, Found>> {
  const found = new Map(
    feeds.map((feed) => [
      feedKey(feed),
      { feed, reach: ownEnd.of(feed), last: new Map<string, FeedRecord>(), spoilt: new Map<string, Uint8Array | undefined>() },
    ]),
  );
  let furthest: LogMark | null = null;
  let beyond: LogMark | null = null;
  for await (const { feed, record } of reading(writer, feeds)) {
    const { last, spoilt, reach } = found.get(feedKey(feed))!;
    if (record.key !== null && !owns(vnidOf(feed, record.key))) continue;
    total.read++;
    if ('undecodable' in record) {
      total.undecodable++;
      undecodable(feed, record);
      if (record.key !== null) {
        spoilt.set(nameOf(record.key, record.keyBytes), record.keyBytes);
        if (record.keyBytes === undefined) last.delete(record.key);
      }
      continue;
    }
    if (record.log === log && record.position > reach) beyond = further(beyond, record, writer.address(feed).topic);
    if (record.log === log && record.position > (furthest?.position ?? 0)) furthest = further(furthest, record, writer.address(feed).topic);
    spoilt.delete(nameOf(record.key, record.keyBytes));
    if (record.keyBytes === undefined) last.set(record.key, record);
  }
  // Nothing of these feeds has been written yet, so whoever accepts the loss, or puts the log back, finds them as they were.
  if (beyond) throw await ownEnd.lost(beyond);
  if (furthest) await within(furthest);
  // What stands superseded or removed in a feed that was adopted is of the log before, until compaction takes it.
  for (const { feed, last } of found.values()) {
    const foreign = [...last.values()].find((record) => record.value !== null && record.log !== log && !adopts(record.log));
    if (foreign) throw new FeedRefused(`feed ${feedKey(feed)} belongs to log ${foreign.log}, this is log ${log}; ${IF_ADOPTED}`);
  }
  return new Map([...found.values()].map(({ feed, ...rest }) => [feed, rest]));
}

/** A key that is no text is told from every other by its bytes. No key of the NVA has a line break. */
const nameOf = (key: string, bytes: Uint8Array | undefined): string =>
  bytes === undefined ? key : `${key}\n${Buffer.from(bytes).toString('hex')}`;
const isEmpty = ({ last, spoilt }: Found): boolean => last.size === 0 && spoilt.size === 0;

/**
 * In order of position, each change of the log ended, so that a consumer meets them as it would have live. The fold is walked in
 * steps, between which other work comes: a large VN takes long. Sorting what differs does not wait. It is the difference from the
 * fold as it stands at the end.
 */
async function differenceOf(
  feed: FeedName,
  found: Found,
  codec: RecordCodec,
  { log, owns, fill, timers }: ReconcileOptions,
): Promise<FeedRecord[]> {
  const { last, spoilt } = found;
  /** Of each key that was handed over, the newest position: what is walked after it was changed may be as it was before. */
  const newest = new Map<string, Position>();
  const live = new Set<string>();
  const due = new Map<string, FeedRecord>();
  const filling = fill(feed);
  try {
    for (let records = filling.next(); records; records = filling.next()) {
      for (const record of records) {
        if (!owns(vnidOf(feed, record.key)) || (newest.get(record.key) ?? -1) >= record.position) continue;
        newest.set(record.key, record.position);
        if (record.value === null) live.delete(record.key);
        else live.add(record.key);
        if (record.value === null || same(last.get(record.key), record, codec, log)) due.delete(record.key);
        else due.set(record.key, record);
      }
      if (filling.walking) await timers.turn();
    }
  } finally {
    filling.close();
  }
  const difference: Writable<FeedRecord>[] = [...due.values()].map((record) => ({ ...record }));
  const removal = (key: string, keyBytes?: Uint8Array): FeedRecord => ({
    key,
    ...(keyBytes === undefined ? {} : { keyBytes }),
    value: null,
    position: filling.position,
    log,
    changeEnd: false,
  });
  for (const record of last.values()) if (record.value !== null && !live.has(record.key)) difference.push(removal(record.key));
  for (const [name, bytes] of spoilt)
    if (!live.has(name)) difference.push(removal(bytes === undefined ? name : name.split('\n')[0]!, bytes));
  const anew = feed.kind === 'vn' && !last.get(CONTEXT_KEY)?.value;
  const isLast = ({ key, value }: FeedRecord): number => (anew && key === CONTEXT_KEY && value ? 1 : 0);
  difference.sort((a, b) => isLast(a) - isLast(b) || a.position - b.position);
  difference.forEach((record, i) => (record.changeEnd = difference[i + 1]?.position !== record.position || isLast(difference[i + 1]!) > 0));
  return difference;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

function same(present: FeedRecord | undefined, due: FeedRecord, codec: RecordCodec, log: string): boolean {
  if (!present?.value || present.log !== log || present.position !== due.position) return false;
  return codec.encode(present.value).equals(codec.encode(due.value!));
}
