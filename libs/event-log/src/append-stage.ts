import type { EventCodec, NvaEvent } from '@nva/codec';
import { MAX_EVENTS_PER_APPEND, NO_STREAM, type StreamAppend } from '@nva/ports';
import { MAX_APPEND_BYTES, MAX_STREAM_NAME_BYTES } from './limits.ts';
import { HASH_START, hashByte, hashBytes } from './stream-heads.ts';
import { parseUuid } from './uuid.ts';

const ASCII_END = 0x80;
const INITIAL_BYTES = 256 * 1024;
/** Memory that is kept after an unusually large call. */
const KEPT_BYTES = 4 * 1024 * 1024;

/**
 * Encodes the entries of a whole call before any append of it is decided, so that a call with one event that no schema allows
 * changes nothing. Encoding straight into the frame would save one copy (about 60 ns an append) but would need to undo every
 * append before the wrong one. The object is reused from call to call; its contents are void at the next `encode`.
 */
export class AppendStage {
  bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  /** Four words per event of the call. */
  idWords = new Uint32Array(4 * MAX_EVENTS_PER_APPEND);
  /** End of each event's entry, counted from the start of its append. */
  ends = new Uint32Array(MAX_EVENTS_PER_APPEND);
  /** End of each append's entries in `bytes`. */
  readonly appendEnds: number[] = [];
  /** Bytes and hash of each append's stream name; it stands behind the length byte of the append's first entry. */
  readonly nameBytes: number[] = [];
  readonly nameHashes: number[] = [];
  readonly #codec: EventCodec;

  constructor(codec: EventCodec) {
    this.#codec = codec;
  }

  /** Throws RangeError or CodecError, naming what it received. */
  encode(appends: readonly StreamAppend[]): void {
    if (this.bytes.length > KEPT_BYTES) this.bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    this.appendEnds.length = 0;
    this.nameBytes.length = 0;
    this.nameHashes.length = 0;
    let events = 0;
    for (const append of appends) events += checkedCount(append);
    this.#reserve(events);
    let event = 0;
    let start = 0;
    for (const append of appends) {
      let at = start;
      if (!this.#hasRoom(start)) this.#grow(start);
      const nameEnd = this.#name(append.stream, start);
      for (const { id, event: value } of append.events) {
        parseUuid(id, this.idWords, event * 4);
        at = this.#entry(value, start, nameEnd, at);
        this.ends[event++] = at - start;
      }
      this.appendEnds.push(at);
      start = at;
    }
  }

  /** Writes and hashes a stream's name, with its length in front. Returns the end of the name. */
  #name(stream: string, from: number): number {
    const { bytes } = this;
    let hash = HASH_START;
    let at = from + 1;
    for (let i = 0; i < stream.length; i++) {
      const code = stream.charCodeAt(i);
      if (code >= ASCII_END) {
        at = from + 1 + bytes.write(stream, from + 1, 'utf8');
        hash = hashBytes(bytes, from + 1, at);
        break;
      }
      bytes[at++] = code;
      hash = hashByte(hash, code);
    }
    bytes[from] = at - from - 1;
    this.nameBytes.push(at - from - 1);
    this.nameHashes.push(hash);
    return at;
  }

  /** Writes one entry. The first entry, at `start`, contains the name; further entries copy it. Returns the end of the entry. */
  #entry(value: NvaEvent, start: number, nameEnd: number, from: number): number {
    for (;;) {
      let end = -1;
      if (this.#hasRoom(from)) {
        if (from > start) this.bytes.copy(this.bytes, from, start, nameEnd);
        end = this.#codec.encodeInto(value, this.bytes, from + nameEnd - start);
      }
      if (end - start > MAX_APPEND_BYTES || (end < 0 && this.bytes.length - start > 2 * MAX_APPEND_BYTES))
        throw new RangeError(`an append holds at most ${MAX_APPEND_BYTES} bytes, more in one that begins with «${value.type}»`);
      if (end >= 0) return end;
      this.#grow(from === start ? nameEnd : from);
    }
  }

  #hasRoom(from: number): boolean {
    return from + 1 + MAX_STREAM_NAME_BYTES < this.bytes.length;
  }

  #grow(kept: number): void {
    const larger = Buffer.allocUnsafeSlow(this.bytes.length * 2);
    this.bytes.copy(larger, 0, 0, kept);
    this.bytes = larger;
  }

  #reserve(events: number): void {
    if (this.ends.length >= events && this.ends.length <= KEPT_BYTES / 4) return;
    const capacity = Math.max(MAX_EVENTS_PER_APPEND, events);
    this.ends = new Uint32Array(capacity);
    this.idWords = new Uint32Array(4 * capacity);
  }
}

function checkedCount({ stream, expectedRevision, events }: StreamAppend): number {
  if (events.length === 0 || events.length > MAX_EVENTS_PER_APPEND)
    throw new RangeError(`an append holds 1 to ${MAX_EVENTS_PER_APPEND} events, got ${events.length} for «${stream}»`);
  if (!Number.isInteger(expectedRevision) || expectedRevision < NO_STREAM)
    throw new RangeError(`an expected revision is a whole number from ${NO_STREAM}, got ${expectedRevision} for «${stream}»`);
  const bytes = stream.length * 3 <= MAX_STREAM_NAME_BYTES ? stream.length : Buffer.byteLength(stream);
  if (bytes === 0 || bytes > MAX_STREAM_NAME_BYTES || !stream.isWellFormed())
    throw new RangeError(`a stream's name is Unicode text of 1 to ${MAX_STREAM_NAME_BYTES} bytes, got «${stream}»`);
  return events.length;
}
