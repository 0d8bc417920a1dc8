import type { EventCodec } from '@nva/codec';
import { MAX_EVENTS_PER_APPEND, NO_STREAM, type StreamAppend } from '@nva/ports';
import { MAX_APPEND_BYTES, MAX_STREAM_NAME_BYTES } from './limits.ts';
import { parseUuid } from './uuid.ts';

const INITIAL_BYTES = 256 * 1024;
/** Memory that an unusually large call may leave behind. */
const KEPT_BYTES = 4 * 1024 * 1024;

/**
 * Encodes the entries of a whole call before any of it is decided, so that a call with one event that no schema allows changes
 * nothing. Encoding straight into the frame would save one copy (about 60 ns an append) and cost an undo of every append before it.
 * Reused from call to call; what it holds is void at the next `encode`.
 */
export class AppendStage {
  bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  /** Four words per event of the call. */
  idWords = new Uint32Array(4 * MAX_EVENTS_PER_APPEND);
  /** End of each event's entry, counted from the start of its append. */
  ends = new Uint32Array(MAX_EVENTS_PER_APPEND);
  /** End of each append's entries in `bytes`. */
  appendEnds: number[] = [];
  readonly #codec: EventCodec;

  constructor(codec: EventCodec) {
    this.#codec = codec;
  }

  /** Throws RangeError or CodecError, naming what it received. */
  encode(appends: readonly StreamAppend[]): void {
    if (this.bytes.length > KEPT_BYTES) this.bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    this.appendEnds.length = 0;
    let events = 0;
    for (const append of appends) events += checkedCount(append);
    this.#reserve(events);
    let event = 0;
    let start = 0;
    for (const append of appends) {
      let at = start;
      for (const { id, event: value } of append.events) {
        parseUuid(id, this.idWords, event * 4);
        at = this.#entry(append.stream, value, start, at);
        this.ends[event++] = at - start;
      }
      this.appendEnds.push(at);
      start = at;
    }
  }

  #entry(stream: string, value: StreamAppend['events'][number]['event'], start: number, from: number): number {
    for (;;) {
      let end = -1;
      if (from + 1 + MAX_STREAM_NAME_BYTES < this.bytes.length) {
        const nameBytes = this.bytes.write(stream, from + 1, 'utf8');
        this.bytes[from] = nameBytes;
        end = this.#codec.encodeInto(value, this.bytes, from + 1 + nameBytes);
      }
      if (end - start > MAX_APPEND_BYTES || (end < 0 && this.bytes.length - start > 2 * MAX_APPEND_BYTES)) throw new RangeError(`an append holds at most ${MAX_APPEND_BYTES} bytes; more in one to «${stream}»`);
      if (end >= 0) return end;
      const larger = Buffer.allocUnsafeSlow(this.bytes.length * 2);
      this.bytes.copy(larger, 0, 0, from);
      this.bytes = larger;
    }
  }

  #reserve(events: number): void {
    if (this.ends.length >= events && this.ends.length <= KEPT_BYTES / 4) return;
    const capacity = Math.max(MAX_EVENTS_PER_APPEND, events);
    this.ends = new Uint32Array(capacity);
    this.idWords = new Uint32Array(4 * capacity);
  }
}

function checkedCount({ stream, expectedRevision, events }: StreamAppend): number {
  if (events.length === 0 || events.length > MAX_EVENTS_PER_APPEND) throw new RangeError(`an append holds 1 to ${MAX_EVENTS_PER_APPEND} events, got ${events.length} for «${stream}»`);
  if (!Number.isInteger(expectedRevision) || expectedRevision < NO_STREAM) throw new RangeError(`an expected revision is a whole number from ${NO_STREAM}, got ${expectedRevision} for «${stream}»`);
  const bytes = stream.length * 3 <= MAX_STREAM_NAME_BYTES ? stream.length : Buffer.byteLength(stream);
  if (bytes === 0 || bytes > MAX_STREAM_NAME_BYTES || !stream.isWellFormed()) throw new RangeError(`a stream's name is Unicode text of 1 to ${MAX_STREAM_NAME_BYTES} bytes, got «${stream}»`);
  return events.length;
}
