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
  /** Records found on the feeds, about owned VNs. */
  readonly read: number;
  readonly undecodable: number;
  /** Records that had to be published. */
  readonly published: number;
  /** Those of the published records that should have been there before. The others came about while the feeds were compared. */
  readonly wrong: number;
}

export interface ReconcileOptions {
  readonly log: string;
  readonly timers: Timers;
  /** Records about other VNs are neither judged nor touched. */
  readonly owns: Owns;
  /** Whether feeds of another log are made equal to this fold instead of refused. */
  readonly adopts: (log: string) => boolean;
  /** The highest position that may stand on a feed, and the error if a record is beyond it. */
  readonly ownEnd: Pick<OwnEnd, 'of' | 'lost'>;
  /** Rejects with LogEndLost if another event stands at the position of the record. */
  readonly assertFrom: (record: FeedRecord, feed: FeedName) => Promise<void>;
  /** Rejects if the log does not reach the position of a record that was found. */
  readonly within: (mark: LogMark) => Promise<void>;
  /** Records published per call. */
  readonly batchRecords: number;
  /** Called for a feed that is made anew, because consumers have met this record and would ignore what the fold has of its key. */
  readonly madeAnew: (feed: FeedName, record: FeedRecord) => void;
  /** Called for every record that cannot be understood. */
  readonly undecodable: (feed: FeedName, failure: Undecodable) => void;
  /** Only these feeds, if they are due. All by default. */
  readonly only?: readonly FeedName[];
  /** Feeds that are set aside: neither read nor written to. */
  readonly isClosed: (feed: FeedName) => boolean;
  /** Called with the feeds that cannot be read; the others are compared all the same. */
  readonly failed: (failures: readonly FeedFailure[]) => void;
  /** The position up to which everything is known to be on the feeds. */
  readonly published: () => Position;
  /** The position of a feed's newest change. */
  readonly changedAt: (feed: FeedName) => Position;
  /** Hands over a whole feed as the fold has it, in steps: for the comparison, and for the first reader. */
  readonly fill: (feed: FeedName) => FeedFilling;
}

/** Feeds whose records are in memory at the same time while they are compared. */
const FEEDS_READ_TOGETHER = 256;

interface Found {
  /** The last record of each key, in order of the feed. */
  readonly last: Map<string, FeedRecord>;
  /** Records of this log with later positions than the last one of their key. */
  readonly later: Map<string, FeedRecord>;
  /** Keys whose last record cannot be understood, by text; with the bytes of those that are not UTF-8. */
  readonly spoilt: Map<string, Uint8Array | undefined>;
}

/**
 * Reads the feeds of all owned VNs and of all NVEs, and publishes the difference from the fold: keys that are missing, have
 * another position or value, or should not be there. So a checkpoint is only a convenience: a lost topic, a change that a crash
 * cut in two, and values of a corrected fold are all repaired in the same way (design/feeds, «A start compares the feeds with the
 * fold»). A VN's feed without context gets it last: until then its table is not whole, and no consumer accepts it as whole
 * (contract, «Kafka»).
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
  // An NVE learns of a VN before it appears in the VN's table (contract, «Kafka»); one call of `publish` gives no order between
  // feeds.
  for (const kind of ['nve', 'vn'] as const) {
    for (const group of groups(feeds.filter((feed) => feed.kind === kind && !options.isClosed(feed)))) {
      const asOf = options.published();
      for (const [feed, existing] of await readable(writer, group, options, total)) {
        total.feeds++;
        if (isEmpty(existing) && writer.fillWhenRead?.(feed, () => options.fill(feed))) continue;
        const difference = await repairOf(writer, feed, existing, codec, options);
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
  // After everything was read, which proves that it is of this log: deletes what a purge left behind.
  for (const feed of found.values())
    if (feed.kind === 'vn' && network.vns.get(feed.vnid)?.state.status === 'purged') await writer.delete(feed);
  return total;
}

/** The number of records of a feed that differ from the fold, except those that came about during the comparison. Changes nothing. */
export async function differencesOf(writer: FeedWriter, feed: FeedName, options: ReconcileOptions): Promise<number> {
  const asOf = options.published();
  const [found] = (await readLast(writer, [feed], options, { read: 0, undecodable: 0 })).values();
  return wrongIn((await differenceOf(feed, found!, createRecordCodec(), options)).records, feed, asOf, options);
}

/**
 * What is to be published, so that whoever reads the feed has what the fold has. A consumer ignores what is older than what it has met
 * of a key (X1). So a feed with a record that is too new for the fold cannot be repaired: either the log was put back and gave the
 * record's position to another event, which ends this with LogEndLost, or an earlier version published it; then the feed is made anew.
 */
async function repairOf(
  writer: FeedWriter,
  feed: FeedName,
  found: Found,
  codec: RecordCodec,
  options: ReconcileOptions,
): Promise<readonly FeedRecord[]> {
  const { records, tooNew } = await differenceOf(feed, found, codec, options);
  if (!tooNew) return records;
  await options.assertFrom(tooNew, feed);
  options.madeAnew(feed, tooNew);
  await writer.delete(feed);
  await writer.ensure([feed]);
  return (await differenceOf(feed, nothing(), codec, options)).records;
}

/**
 * The part of a difference that was already wrong when everything up to `asOf` was on the feed. For a removal this is known only
 * if the feed has not changed since.
 */
function wrongIn(difference: readonly FeedRecord[], feed: FeedName, asOf: Position, { changedAt }: ReconcileOptions): number {
  const unchanged = changedAt(feed) <= asOf;
  return difference.filter(({ value, position }) => (value === null ? unchanged : position <= asOf)).length;
}

function* groups(feeds: readonly FeedName[]): Generator<readonly FeedName[]> {
  for (let from = 0; from < feeds.length; from += FEEDS_READ_TOGETHER) yield feeds.slice(from, from + FEEDS_READ_TOGETHER);
}

/** Those of the feeds that can be read. If the failure does not name the unreadable feed, it is found by halving. */
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

/** Reading failed with a refusal, probably because of some of the feeds that were read together. */
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
  const found = new Map(feeds.map((feed) => [feedKey(feed), { feed, reach: ownEnd.of(feed), ...nothing() }]));
  let furthest: LogMark | null = null;
  let beyond: LogMark | null = null;
  for await (const { feed, record } of reading(writer, feeds)) {
    const { last, later, spoilt, reach } = found.get(feedKey(feed))!;
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
    if (record.keyBytes !== undefined) continue;
    const before = later.get(record.key) ?? last.get(record.key);
    if (before?.log === log && record.log === log && before.position > record.position) later.set(record.key, before);
    else later.delete(record.key);
    last.set(record.key, record);
  }
  // Nothing has been written to these feeds yet, so an operator who accepts the loss or restores the log finds them unchanged.
  if (beyond) throw await ownEnd.lost(beyond);
  if (furthest) await within(furthest);
  // Superseded or removed records on an adopted feed are of the former log until compaction removes them.
  for (const { feed, last } of found.values()) {
    const foreign = [...last.values()].find((record) => record.value !== null && record.log !== log && !adopts(record.log));
    if (foreign) throw new FeedRefused(`feed ${feedKey(feed)} belongs to log ${foreign.log}, this is log ${log}; ${IF_ADOPTED}`);
  }
  return new Map([...found.values()].map(({ feed, ...rest }) => [feed, rest]));
}

/** A key that is not UTF-8 is identified by its bytes. No key of the NVA has a line break. */
const nameOf = (key: string, bytes: Uint8Array | undefined): string =>
  bytes === undefined ? key : `${key}\n${Buffer.from(bytes).toString('hex')}`;
const nothing = (): Found => ({ last: new Map(), later: new Map(), spoilt: new Map() });
const isEmpty = ({ last, spoilt }: Found): boolean => last.size === 0 && spoilt.size === 0;

interface Difference {
  readonly records: readonly FeedRecord[];
  /** The newest record with a later position than the fold has for its key, though the fold has passed that position. */
  readonly tooNew: FeedRecord | null;
}

/**
 * In order of position, with an end for each change of the log, so that a consumer meets the records as live. The fold is read in
 * steps, between which other work runs, because a large VN takes long. Sorting the difference does not wait. The result is the
 * difference from the fold as it stands at the end.
 */
async function differenceOf(
  feed: FeedName,
  found: Found,
  codec: RecordCodec,
  { log, owns, fill, timers }: ReconcileOptions,
): Promise<Difference> {
  const { last, later, spoilt } = found;
  /** For each key, the newest position that was handed over: a later step may hand over the state before a change. */
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
  let tooNew: FeedRecord | null = null;
  for (const key of new Set([...due.keys(), ...later.keys()])) {
    const met = later.get(key) ?? last.get(key);
    if (!live.has(key) || met?.log !== log || met.position > filling.position || met.position <= newest.get(key)!) continue;
    if (met.position > (tooNew?.position ?? 0)) tooNew = met;
  }
  return { records: difference, tooNew };
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

function same(present: FeedRecord | undefined, due: FeedRecord, codec: RecordCodec, log: string): boolean {
  if (!present?.value || present.log !== log || present.position !== due.position) return false;
  return codec.encode(present.value).equals(codec.encode(due.value!));
}
