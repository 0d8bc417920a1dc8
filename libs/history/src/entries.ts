import { CONTEXT_KEY, createTableCodecs, mappingKey, memberKey, membershipVnid, type EntryCodec } from '@nva/codec';
import type { RecordChange, TableValue } from '@nva/fold';
import type { Position } from '@nva/ports';
import { HistoryDamaged } from './damaged.ts';
import { MAX_VARINT_BYTES, readVarint, unzigzag, writeVarint, zigzag } from './varint.ts';

/** One key of one feed, as it was from a position on; `value` is null where the key was removed there. */
export interface HistoryEntry {
  readonly position: Position;
  readonly key: string;
  readonly value: TableValue | null;
}

/**
 * Entries of one feed, one after the other:
 *
 *     position, as the signed difference from the one before, varint | kind u8 | length of the rest u24 | the rest
 *
 * The rest is the value in plain Avro, from which the key follows; for a removal and a membership it is the key.
 */
const KINDS = ['removal', 'VnContext', 'VnMember', 'Mapping', 'Membership'] as const;
export type EntryKind = (typeof KINDS)[number];
const HEAD_BYTES = MAX_VARINT_BYTES + 4;
const LENGTH_BYTES = 3;
const KEY_BYTES_AT_ONCE = 256;
const FIRST_BYTES = 512;

const codecs = createTableCodecs();
/** Of the schemas of what is in the entries. */
export const ENTRIES_FINGERPRINT = codecs.fingerprint;

/** A growing run of entries. */
export class EntryWriter {
  #bytes: Buffer;
  #used = 0;
  #last: Position = 0;
  count = 0;

  constructor(bytes = FIRST_BYTES) {
    this.#bytes = Buffer.allocUnsafeSlow(bytes);
  }

  get used(): number {
    return this.#used;
  }

  /** What was added, as long as nothing else is. */
  get written(): Buffer {
    return this.#bytes.subarray(0, this.#used);
  }

  add(position: Position, { key, value }: Pick<RecordChange, 'key' | 'value'>): void {
    for (;;) {
      const end = this.#encode(position, key, value);
      if (end >= 0) {
        this.#used = end;
        this.#last = position;
        this.count++;
        return;
      }
      this.#grow(-end);
    }
  }

  /** Gives its memory back: there may be a hundred thousand feeds, and few of them have much at one time. */
  clear(): void {
    this.#bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
    this.#used = 0;
    this.#last = 0;
    this.count = 0;
  }

  /** The offset after the entry, or a negative number: how many bytes more it needs at least. */
  #encode(position: Position, key: string, value: TableValue | null): number {
    const bytes = this.#bytes;
    if (bytes.length - this.#used < HEAD_BYTES) return -HEAD_BYTES;
    let at = writeVarint(bytes, this.#used, zigzag(position - this.#last));
    const kind: EntryKind = value?.type ?? 'removal';
    bytes[at++] = KINDS.indexOf(kind);
    const from = at + LENGTH_BYTES;
    const end =
      value === null || value.type === 'Membership' ? this.#encodeKey(key, from) : codecOf(value).encodeInto(value.data, bytes, from);
    if (end < 0 || end > bytes.length) return -Math.max(KEY_BYTES_AT_ONCE, Math.abs(end));
    bytes.writeUIntLE(end - from, at, LENGTH_BYTES);
    return end;
  }

  #encodeKey(key: string, from: number): number {
    const length = Buffer.byteLength(key);
    return from + length > this.#bytes.length ? -length : from + this.#bytes.write(key, from);
  }

  #grow(missing: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.#bytes.length, this.#bytes.length + missing));
    this.#bytes.copy(larger, 0, 0, this.#used);
    this.#bytes = larger;
  }
}

function codecOf(value: Exclude<TableValue, { type: 'Membership' }>): EntryCodec<object> {
  return (value.type === 'Mapping' ? codecs.mapping : value.type === 'VnMember' ? codecs.member : codecs.context) as EntryCodec<object>;
}

/** A text as it stands in a value: Avro puts its length before it, so that no longer text begins with the same bytes. */
export function textOf(text: string): Buffer {
  const bytes = Buffer.from(text);
  const head = Buffer.alloc(MAX_VARINT_BYTES);
  return Buffer.concat([head.subarray(0, writeVarint(head, 0, zigzag(bytes.length))), bytes]);
}

/** Where an entry is in a run. */
export interface EntryPlace {
  readonly position: Position;
  readonly kind: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Goes through the places of the entries of a run, in order, without an object for each: `next` makes it the next place. A question may
 * pass by thousands of entries to find one.
 */
export class Places implements EntryPlace {
  readonly #bytes: Buffer;
  readonly #cursor = { at: 0 };
  position: Position = 0;
  kind = 0;
  from = 0;
  to = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** False after the last entry. Throws HistoryDamaged for bytes that are no run of entries. */
  next(): boolean {
    const bytes = this.#bytes;
    if (this.to >= bytes.length) return false;
    const cursor = this.#cursor;
    cursor.at = this.to;
    try {
      this.position += unzigzag(readVarint(bytes, cursor));
    } catch (cause) {
      throw new HistoryDamaged('a run of entries ends within one', { cause });
    }
    const { at } = cursor;
    const from = at + 1 + LENGTH_BYTES;
    if (from > bytes.length || bytes[at]! >= KINDS.length) throw new HistoryDamaged('not a run of entries');
    const to = from + (bytes[at + 1]! | (bytes[at + 2]! << 8) | (bytes[at + 3]! << 16));
    if (to > bytes.length) throw new HistoryDamaged('a run of entries ends within one');
    this.kind = bytes[at]!;
    this.from = from;
    this.to = to;
    return true;
  }
}

export const kindAt = ({ kind }: EntryPlace): EntryKind => KINDS[kind]!;

/** The entry at a place. Throws HistoryDamaged. */
export function entryAt(bytes: Buffer, { position, kind, from, to }: EntryPlace): HistoryEntry {
  switch (KINDS[kind]) {
    case 'Mapping': {
      const data = decoded(codecs.mapping, bytes, from, to);
      return { position, key: mappingKey(data), value: { type: 'Mapping', data } };
    }
    case 'VnMember': {
      const data = decoded(codecs.member, bytes, from, to);
      return { position, key: memberKey(data.nveId), value: { type: 'VnMember', data } };
    }
    case 'VnContext':
      return { position, key: CONTEXT_KEY, value: { type: 'VnContext', data: decoded(codecs.context, bytes, from, to) } };
    case 'Membership': {
      const key = bytes.toString('utf8', from, to);
      const vnid = membershipVnid(key);
      if (vnid === null) throw new HistoryDamaged(`not the key of a membership: «${key}»`);
      return { position, key, value: { type: 'Membership', data: { vnid, since: position } } };
    }
    default:
      return { position, key: bytes.toString('utf8', from, to), value: null };
  }
}

function decoded<T>(codec: EntryCodec<T>, bytes: Buffer, from: number, to: number): T {
  try {
    const { value, offset } = codec.decode(bytes, from);
    if (offset === to) return value;
  } catch (cause) {
    throw new HistoryDamaged('an entry cannot be decoded', { cause });
  }
  throw new HistoryDamaged('an entry is longer than its value');
}
