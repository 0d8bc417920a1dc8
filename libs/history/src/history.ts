import { TableDigest, type Mapping } from '@nva/codec';
import { recordsOf, type Network, type RecordChange, type TableRecord } from '@nva/fold';
import { feedKey, type FeedName, type Logger, type Position, type RecordedEvent } from '@nva/ports';
import { HistoryDamaged } from './damaged.ts';
import { ENTRIES_FINGERPRINT, type HistoryEntry } from './entries.ts';
import { HISTORY_LIMITS, FeedHistory, type HistoryLimits } from './feed-history.ts';
import { HistoryFile } from './history-file.ts';
import { Instants, type Instant } from './instants.ts';

/** Raise it when the same log comes to be kept as something else. */
const FORMAT = 2;
/** After so many events the changes of a feed are written, however few they are. */
const LAG_EVENTS = 500_000;
/** How many bytes of changes may wait for their block to be full. */
const PENDING_BYTES = 64 * 1024 * 1024;

/** The VNs of which changes are kept. The feeds of NVEs, which say in which VNs they are, are always kept. */
export interface KeptVns {
  /** Stands in the file: one in which other VNs are kept is thrown away. */
  readonly name: string;
  has(vnid: number): boolean;
}

const EVERY_VN: KeptVns = { name: 'all', has: () => true };

export interface HistoryOptions {
  readonly path: string;
  /** The log whose history it is. */
  readonly logId: string;
  readonly logger: Logger;
  /** All, unless given. */
  readonly vns?: KeptVns;
  /** Others than the usual ones in tests. */
  readonly limits?: HistoryLimits;
}

/** What became of one key of a table between two positions. */
export interface TableDifference {
  readonly key: string;
  readonly before: TableRecord | null;
  readonly after: TableRecord | null;
  /** Position of the event that did it: the last of them, where there were several. */
  readonly position: Position;
}

interface Followed {
  readonly feed: FeedName;
  readonly history: FeedHistory;
}

/** Changes that are not in the file yet, of one feed. */
interface Waiting {
  /** Position of the event before the first of them; events before that one, counted. */
  readonly before: Position;
  readonly events: number;
}

/**
 * Every change of every feed, as the fold made it, in a file of its own. It holds nothing that the log does not: it is built from
 * the log, and thrown away where it is damaged or of another log.
 *
 * Changes are written in blocks, feed by feed; between them stand keyframes, the table as it was, so that the table of a past
 * position is a keyframe and a bounded number of changes. `take` writes a feed's block when it is full. So some feeds are written
 * further than others: `covered` says from where on the log must be folded again after a start, and what is in the file already is
 * passed over then.
 */
export class History {
  readonly #file: HistoryFile;
  readonly #limits: HistoryLimits;
  readonly #vns: KeptVns;
  readonly #instants: Instants;
  readonly #feeds = new Map<string, Followed>();
  readonly #stored = new Map<string, FeedHistory>();
  /** Feeds with changes that are not in the file, the one that has waited longest first. */
  readonly #waiting = new Map<Followed, Waiting>();
  #pendingBytes = 0;
  #events = 0;
  #position: Position = 0;

  private constructor(file: HistoryFile, limits: HistoryLimits, vns: KeptVns) {
    this.#file = file;
    this.#vns = vns;
    this.#limits = limits;
    this.#position = this.covered;
    this.#instants = new Instants(file, limits.runEvents);
    if (this.covered > this.#instants.written) throw new HistoryDamaged('the history has lost its last instants');
    for (const stored of file.feeds()) this.#stored.set(stored.name, new FeedHistory(file, stored, limits));
  }

  /**
   * Opens or creates the file. One that is damaged, or of another log, is thrown away, with a line in the process's log. Throws what
   * the file system and SQLite throw. Every other method throws HistoryDamaged where it finds damage: whoever has the history then
   * closes it, removes the file and builds it anew.
   */
  static open({ path, logId, logger, vns = EVERY_VN, limits = HISTORY_LIMITS }: HistoryOptions): History {
    const meta = { 'format': String(FORMAT), 'log': logId, 'schema fingerprint': ENTRIES_FINGERPRINT, 'share of VNs': vns.name };
    const thrownAway = (why: string): void =>
      logger.warn('the history is thrown away, and built anew from the log', { history: path, why });
    for (;;) {
      const file = HistoryFile.open(path, meta, thrownAway);
      try {
        return new History(file, limits, vns);
      } catch (error) {
        file.close();
        if (!(error instanceof HistoryDamaged)) throw error;
        thrownAway(error.message);
        HistoryFile.remove(path);
      }
    }
  }

  static remove(path: string): void {
    HistoryFile.remove(path);
  }

  /** Up to here everything is in the file. The events after it are to be given to `take`; earlier ones are passed over. */
  get covered(): Position {
    return Number(this.#file.meta('covered') ?? 0);
  }

  /** Position of the last event of which anything is in the file. */
  get written(): Position {
    let written = this.#instants.written;
    for (const history of this.#stored.values()) written = Math.max(written, history.written);
    return written;
  }

  /** Position of the last event that was taken, or was in the file at the start. */
  get position(): Position {
    return Math.max(this.#position, this.covered);
  }

  /**
   * The changes of the log's next event; the network has folded it, and nothing after it. If it throws, for a full disk too, the
   * history must be abandoned: the file has what was committed, and the log gives the rest to a history that is opened anew.
   */
  take({ position, event }: Pick<RecordedEvent, 'position' | 'event'>, changes: readonly RecordChange[], network: Network): void {
    const kept = changes.filter(({ feed }) => feed.kind === 'nve' || this.#vns.has(feed.vnid));
    for (const change of kept) {
      const followed = this.#followed(change.feed);
      const bytes = followed.history.pendingBytes;
      if (bytes === 0) this.#waiting.set(followed, { before: this.#position, events: this.#events });
      followed.history.take(position, change);
      if (followed.history.pendingBytes === 0) this.#waiting.delete(followed);
      this.#pendingBytes += followed.history.pendingBytes - bytes;
    }
    this.#instants.add({ position, recordedAt: event.data.audit.recordedAt });
    this.#position = position;
    this.#events++;
    for (const { feed } of kept) {
      const followed = this.#followed(feed);
      if (followed.history.isDue) this.#write(followed, network);
    }
    this.#writeOldest(network);
    if (this.#file.isDue) this.commit();
  }

  /** Makes what was written durable. To be called now and then, between two events. */
  commit(): void {
    const covered = Math.min(this.#oldest?.before ?? Infinity, this.#instants.written, this.#position);
    if (covered > this.covered) this.#file.setMeta('covered', String(covered));
    this.#file.commit();
  }

  /** Writes everything and closes the file. */
  close(network: Network): void {
    for (const followed of this.#waiting.keys()) this.#write(followed, network);
    this.#instants.flush();
    this.commit();
    this.#file.close();
  }

  /** Closes the file without what is not committed: for one that is damaged, or a fold that failed in the middle of an event. */
  abandon(): void {
    this.#file.close();
  }

  /** The records of a feed as they were at a position, in no order. */
  table(feed: FeedName, position: Position): readonly TableRecord[] {
    return [...(this.#historyOf(feed)?.table(position).values() ?? [])] as TableRecord[];
  }

  /** One record of a feed as it was at a position; null if it was not there. */
  record(feed: FeedName, key: string, position: Position): TableRecord | null {
    return (this.#historyOf(feed)?.record(key, position) ?? null) as TableRecord | null;
  }

  /** The digest of a feed's table at a position (contract, «Digest of a VN»). */
  digest(feed: FeedName, position: Position): string {
    const digest = new TableDigest();
    for (const record of this.table(feed, position)) digest.set(record.key, record.position, null);
    return digest.toString();
  }

  /** The mappings that a VN distributed for an address at a position. */
  resolve(
    vnid: number,
    address: { readonly mac: string } | { readonly ip: string },
    position: Position,
  ): readonly { readonly mapping: Mapping; readonly position: Position }[] {
    const text = 'mac' in address ? address.mac : address.ip;
    const found = this.#historyOf({ kind: 'vn', vnid })?.withAddress(text, position) ?? [];
    return found.flatMap(({ value, position: since }) =>
      value?.type === 'Mapping' && ('mac' in address ? value.data.mac : value.data.ip) === text
        ? [{ mapping: value.data, position: since }]
        : [],
    );
  }

  /** The changes of a feed after a position, up to another, in the order of the log. To be read before anything else is taken. */
  *changes(feed: FeedName, after: Position, upTo: Position): Generator<HistoryEntry, void> {
    yield* this.#historyOf(feed)?.changes(after, upTo) ?? [];
  }

  /** The changes of one key after a position, up to another, in order. */
  changesOf(feed: FeedName, key: string, after: Position, upTo: Position): readonly HistoryEntry[] {
    return [...(this.#historyOf(feed)?.changesOf(key, after, upTo) ?? [])];
  }

  /**
   * The last change of a key up to a position, or its last removal; null if there is none. Looks back through some 250,000 changes of
   * the feed at most: undefined means that these have none.
   */
  lastChange(feed: FeedName, key: string, position: Position, which: 'any' | 'removal' = 'any'): HistoryEntry | null | undefined {
    const history = this.#historyOf(feed);
    return history ? history.lastOf(key, position, which === 'removal') : null;
  }

  /** The last change up to a position by which a mapping of a VN had an address; null and undefined as for `lastChange`. */
  lastHolder(
    vnid: number,
    address: { readonly mac: string } | { readonly ip: string },
    position: Position,
  ): HistoryEntry | null | undefined {
    const history = this.#historyOf({ kind: 'vn', vnid });
    const has = ({ value }: HistoryEntry): boolean =>
      value?.type === 'Mapping' && ('mac' in address ? value.data.mac === address.mac : value.data.ip === address.ip);
    return history ? history.lastWith('mac' in address ? address.mac : address.ip, has, position) : null;
  }

  /** What is different in a feed's table at `to` from what it was at `from`, an earlier position. */
  difference(feed: FeedName, from: Position, to: Position): readonly TableDifference[] {
    const last = new Map<string, HistoryEntry>();
    for (const entry of this.changes(feed, from, to)) last.set(entry.key, entry);
    if (last.size === 0) return [];
    const before = this.#historyOf(feed)!.table(from);
    const differences: TableDifference[] = [];
    for (const [key, entry] of last) {
      const former = (before.get(key) ?? null) as TableRecord | null;
      const after = entry.value === null ? null : (entry as TableRecord);
      if (former || after) differences.push({ key, before: former, after, position: entry.position });
    }
    return differences;
  }

  /** The last event recorded not after a time, in milliseconds since the epoch; null if every event was recorded later. */
  lastNotAfter(timeMs: number): Instant | null {
    return this.#instants.notAfter(timeMs);
  }

  /** The last event at or before a position; null if there is none. */
  lastAtOrBefore(position: Position): Instant | null {
    return this.#instants.atOrBefore(position);
  }

  get #oldest(): Waiting | undefined {
    return this.#waiting.values().next().value;
  }

  #writeOldest(network: Network): void {
    for (const [followed, { events }] of this.#waiting) {
      if (this.#events - events < LAG_EVENTS && this.#pendingBytes <= PENDING_BYTES) return;
      this.#write(followed, network);
    }
  }

  #write(followed: Followed, network: Network): void {
    this.#pendingBytes -= followed.history.pendingBytes;
    followed.history.write(() => recordsOf(network, followed.feed));
    this.#waiting.delete(followed);
  }

  #followed(feed: FeedName): Followed {
    const name = feedKey(feed);
    let followed = this.#feeds.get(name);
    if (!followed) {
      let history = this.#stored.get(name);
      if (!history) {
        const stored = { id: this.#stored.size + 1, name, last: 0, blocks: 0, live: 0, since: 0 };
        this.#file.putFeed(stored);
        history = new FeedHistory(this.#file, stored, this.#limits);
        this.#stored.set(name, history);
      }
      followed = { feed, history };
      this.#feeds.set(name, followed);
    }
    return followed;
  }

  #historyOf(feed: FeedName): FeedHistory | undefined {
    return this.#stored.get(feedKey(feed));
  }
}
