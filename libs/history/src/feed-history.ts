import { CONTEXT_KEY } from '@nva/codec';
import type { RecordChange, TableRecord } from '@nva/fold';
import type { Position } from '@nva/ports';
import { EntryWriter, entryAt, kindAt, Places, textOf, type EntryKind, type HistoryEntry } from './entries.ts';
import { HistoryDamaged } from './damaged.ts';
import type { HistoryFile, StoredBlock, StoredFeed } from './history-file.ts';

/** How the file is written. */
export interface HistoryLimits {
  /** Changes in a block. */
  readonly blockEntries: number;
  /** Changes between two keyframes, at least; and twice as many as the table has entries. */
  readonly keyframeAfter: number;
  /** Events in a run of instants. */
  readonly runEvents: number;
}

export const HISTORY_LIMITS: HistoryLimits = { blockEntries: 256, keyframeAfter: 512, runEvents: 1_024 };
const BLOCK_BYTES = 64 * 1024;
const PER_ENTRY = 2;
/** How far a search for the last change of something goes back. */
const BLOCKS_BACK = 1_024;

/** The past of one feed: what is in the file, and the changes after that. */
export class FeedHistory {
  readonly #id: number;
  readonly #name: string;
  readonly #file: HistoryFile;
  readonly #limits: HistoryLimits;
  readonly #pending = new EntryWriter();
  /** Position of the last change that is in the file, and the number of its block. */
  #written: Position;
  #blocks: number;
  #first: Position = 0;
  #last: Position;
  /** Keys in the table, and changes since the last keyframe, with what is pending. */
  #live: number;
  #since: number;

  constructor(file: HistoryFile, { id, name, last, blocks, live, since }: StoredFeed, limits: HistoryLimits) {
    this.#file = file;
    this.#limits = limits;
    this.#id = id;
    this.#name = name;
    this.#written = last;
    this.#blocks = blocks;
    this.#last = last;
    this.#live = live;
    this.#since = since;
  }

  /** Position of the last change that is in the file. */
  get written(): Position {
    return this.#written;
  }

  /** Bytes that are not in the file. */
  get pendingBytes(): number {
    return this.#pending.used;
  }

  get isDue(): boolean {
    return this.#pending.count >= this.#limits.blockEntries || this.#pending.used >= BLOCK_BYTES || this.#keyframeIsDue;
  }

  get #keyframeIsDue(): boolean {
    return this.#since >= Math.max(this.#limits.keyframeAfter, PER_ENTRY * this.#live);
  }

  /** The changes of this feed by one event. Those that are in the file already are passed over. */
  take(position: Position, change: RecordChange): void {
    if (position <= this.#written) return;
    if (this.#pending.count === 0) this.#first = position;
    this.#pending.add(position, change);
    this.#last = position;
    this.#since++;
    if (change.value === null) this.#live--;
    else if (change.previous === null) this.#live++;
  }

  /** Writes what is pending, between two events; and a keyframe if one is due: `table` gives the feed's records as they are. */
  write(table: () => Iterable<TableRecord>): void {
    if (this.#pending.count === 0) return;
    this.#blocks++;
    this.#file.addBlock(this.#id, false, { first: this.#first, number: this.#blocks, entries: this.#pending.written });
    this.#pending.clear();
    this.#written = this.#last;
    if (this.#keyframeIsDue) {
      const keyframe = new EntryWriter(BLOCK_BYTES);
      for (const { key, value, position } of table()) keyframe.add(position, { key, value });
      this.#file.addBlock(this.#id, true, { first: this.#written, number: this.#blocks, entries: keyframe.written });
      this.#since = 0;
    }
    this.#file.putFeed({
      id: this.#id,
      name: this.#name,
      last: this.#written,
      blocks: this.#blocks,
      live: this.#live,
      since: this.#since,
    });
  }

  /** The table as it was at a position, by key. */
  table(position: Position): Map<string, HistoryEntry> {
    const table = new Map<string, HistoryEntry>();
    for (const bytes of this.#runsUpTo(position)) {
      for (const place = new Places(bytes); place.next();) {
        if (place.position > position) break;
        const entry = entryAt(bytes, place);
        if (entry.value) table.set(entry.key, entry);
        else table.delete(entry.key);
      }
    }
    return table;
  }

  /** The entries of mappings in the table at a position that have an address, as one of their texts. Few others are decoded. */
  withAddress(address: string, position: Position): readonly HistoryEntry[] {
    const runs = this.#runsUpTo(position);
    const keys = new Set<string>();
    for (const bytes of runs) for (const { key } of entriesIn(bytes, { kind: 'Mapping', text: textOf(address) }, position)) keys.add(key);
    return [...keys].flatMap((key) => lastOf(key, runs, position) ?? []);
  }

  /** The entry of a key in the table at a position; null if it was not there. Few others are decoded. */
  record(key: string, position: Position): HistoryEntry | null {
    return lastOf(key, this.#runsUpTo(position), position);
  }

  /** The changes after a position up to another, in order. */
  *changes(after: Position, upTo: Position): Generator<HistoryEntry, void> {
    for (const bytes of this.#blocksFrom(after, upTo)) {
      for (const place = new Places(bytes); place.next();) {
        if (place.position > upTo) return;
        if (place.position > after) yield entryAt(bytes, place);
      }
    }
  }

  /** The changes of a key after a position up to another, in order. Few others are decoded. */
  *changesOf(key: string, after: Position, upTo: Position): Generator<HistoryEntry, void> {
    for (const bytes of this.#blocksFrom(after, upTo)) {
      const entries = tracesOf(key).flatMap((trace) => [...entriesIn(bytes, trace, upTo)]);
      yield* entries.filter((entry) => entry.key === key && entry.position > after).toSorted((a, b) => a.position - b.position);
    }
  }

  /** The last change of a key up to a position, be it a removal; see `#lookBack`. */
  lastOf(key: string, position: Position, removalsOnly: boolean): HistoryEntry | null | undefined {
    const traces = tracesOf(key).filter(({ kind }) => !removalsOnly || kind === 'removal');
    return this.#lookBack(traces, (entry) => entry.key === key, position);
  }

  /** The last change up to a position that gave a mapping an address; see `#lookBack`. */
  lastWith(address: string, has: (entry: HistoryEntry) => boolean, position: Position): HistoryEntry | null | undefined {
    return this.#lookBack([{ kind: 'Mapping', text: textOf(address) }], has, position);
  }

  /** The last keyframe, and the changes after it. */
  #runsUpTo(position: Position): readonly Buffer[] {
    const keyframe = this.#file.keyframe(this.#id, position);
    const blocks = this.#file.changes(this.#id, keyframe?.first ?? -1, position);
    this.#assertWhole(blocks, keyframe?.number ?? 0, position);
    const runs = blocks.map(({ entries }) => entries);
    if (keyframe) runs.unshift(keyframe.entries);
    if (this.#pending.count > 0 && this.#first <= position) runs.push(this.#pending.written);
    return runs;
  }

  /**
   * The last entry up to a position that is wanted, of those that the traces lead to; null if there is none. It looks back through a
   * bounded number of blocks; undefined means that they have none, and that there are more.
   */
  #lookBack(traces: readonly Trace[], wanted: (entry: HistoryEntry) => boolean, position: Position): HistoryEntry | null | undefined {
    let looked = 0;
    for (const bytes of this.#blocksBack(position)) {
      if (looked++ === BLOCKS_BACK) return undefined;
      let last: HistoryEntry | null = null;
      for (const trace of traces)
        for (const entry of entriesIn(bytes, trace, position)) if (wanted(entry) && entry.position >= (last?.position ?? 0)) last = entry;
      if (last) return last;
    }
    return null;
  }

  /** The blocks of changes up to a position, the newest first. */
  *#blocksBack(position: Position): Generator<Buffer, void> {
    if (this.#pending.count > 0 && this.#first <= position) yield this.#pending.written;
    let block = this.#file.blockHolding(this.#id, position);
    if (block) this.#assertWhole([block], block.number - 1, block.first);
    while (block) {
      yield block.entries;
      const before = this.#file.blockHolding(this.#id, block.first - 1);
      if ((before?.number ?? 0) !== block.number - 1) throw new HistoryDamaged(`the history has lost a block of ${this.#name}`);
      block = before;
    }
  }

  /** The blocks in which the changes after a position may be; one that begins before it among them. */
  *#blocksFrom(after: Position, upTo: Position): Generator<Buffer, void> {
    let before = this.#file.blockHolding(this.#id, after);
    if (before) yield before.entries;
    for (;;) {
      const next = this.#file.blockAfter(this.#id, before?.first ?? -1);
      this.#assertWhole(next ? [next] : [], before?.number ?? 0, next?.first ?? Infinity);
      if (!next || next.first > upTo) break;
      yield next.entries;
      before = next;
    }
    if (this.#pending.count > 0 && this.#first <= upTo) yield this.#pending.written;
  }

  /** Throws HistoryDamaged unless the blocks are those after number `before`, and all of them up to a position. */
  #assertWhole(blocks: readonly StoredBlock[], before: number, position: Position): void {
    const isWhole = blocks.every(({ number }, i) => number === before + i + 1);
    const next = position < this.#written ? this.#file.numberAfter(this.#id, position) : null;
    const isAll = before + blocks.length === (next === null ? this.#blocks : next - 1);
    if (!isWhole || !isAll) throw new HistoryDamaged(`the history has lost a block of ${this.#name}`);
  }
}

/** Where to look for entries: those of a kind, in which some bytes stand, if any are given. */
interface Trace {
  readonly kind: EntryKind;
  readonly text: Buffer | null;
}

/** What every entry of a key has that is no removal. */
function traceOf(key: string): Trace {
  if (key === CONTEXT_KEY) return { kind: 'VnContext', text: null };
  const [sort, name] = key.split('/', 2) as [string, string];
  if (sort === 'mapping') return { kind: 'Mapping', text: textOf(name) };
  if (sort === 'member') return { kind: 'VnMember', text: textOf(name) };
  return { kind: 'Membership', text: Buffer.from(key) };
}

const tracesOf = (key: string): readonly Trace[] => [traceOf(key), { kind: 'removal', text: Buffer.from(key) }];

/** The entries up to a position that a trace leads to. */
function* entriesIn(bytes: Buffer, { kind, text }: Trace, position: Position): Generator<HistoryEntry, void> {
  let at = -1;
  for (const place = new Places(bytes); place.next();) {
    if (place.position > position) return;
    if (text && at < place.from) at = bytes.indexOf(text, place.from);
    if (text && at < 0) return;
    if (at < place.to && kindAt(place) === kind) yield entryAt(bytes, place);
  }
}

/** The entry of a key: the last of its values, in which its name stands; none if a removal, in which the key stands, came later. */
function lastOf(key: string, runs: readonly Buffer[], position: Position): HistoryEntry | null {
  let last: HistoryEntry | null = null;
  for (const trace of tracesOf(key))
    for (const bytes of runs)
      for (const entry of entriesIn(bytes, trace, position)) if (entry.key === key && entry.position >= (last?.position ?? 0)) last = entry;
  return last?.value ? last : null;
}
