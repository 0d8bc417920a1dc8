import { FRAME_BYTES, FRAME_EVENTS } from './limits.ts';
import { HEADER_BYTES, ROW_BYTES, ROW_END, ROW_PREVIOUS, ROW_REVISION, TWO_32, writeHeader } from './frame.ts';

const ROWS_RESERVED = HEADER_BYTES + FRAME_EVENTS * ROW_BYTES;

/**
 * Builds one frame in place. Room for the rows of a full frame is reserved in front of the entries. If a frame closes with fewer
 * rows, they are moved up to the entries; so the entries, which are most of the bytes, are copied once and never moved. The
 * memory belongs to the frame and is given away whole (`take`), so it goes to the writer thread without a copy.
 */
export class FrameBuilder {
  readonly first: number;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #count = 0;
  #end = ROWS_RESERVED;

  /** `first` is the position that the first event will have. */
  constructor(first: number, entryBytes: number) {
    this.first = first;
    this.#bytes = Buffer.allocUnsafeSlow(ROWS_RESERVED + Math.max(FRAME_BYTES, entryBytes));
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset);
  }

  get count(): number {
    return this.#count;
  }

  /** Bytes of the frame if it were closed now. */
  get length(): number {
    return HEADER_BYTES + this.#count * ROW_BYTES + this.#end - ROWS_RESERVED;
  }

  fits(events: number, entryBytes: number): boolean {
    return this.#count + events <= FRAME_EVENTS && this.#end + entryBytes <= this.#bytes.length;
  }

  /** Copies the entries of one append; `addRow` then adds their rows. Returns the offset from which their ends count. */
  addEntries(source: Buffer, from: number, to: number): number {
    const base = this.#end - ROWS_RESERVED;
    source.copy(this.#bytes, this.#end, from, to);
    this.#end += to - from;
    return base;
  }

  addRow(idWords: Uint32Array, idAt: number, previous: number, revision: number, end: number): void {
    const row = HEADER_BYTES + this.#count++ * ROW_BYTES;
    const view = this.#view;
    for (let word = 0; word < 4; word++) view.setUint32(row + word * 4, idWords[idAt + word]!, true);
    view.setUint32(row + ROW_PREVIOUS, previous % TWO_32, true);
    view.setUint32(row + ROW_PREVIOUS + 4, Math.floor(previous / TWO_32), true);
    view.setUint32(row + ROW_REVISION, revision, true);
    view.setUint32(row + ROW_END, end, true);
  }

  /** The finished frame, except for its CRC. The builder cannot be used again. */
  take(): Buffer {
    const missing = (FRAME_EVENTS - this.#count) * ROW_BYTES;
    if (missing > 0) this.#bytes.copyWithin(HEADER_BYTES + missing, HEADER_BYTES, HEADER_BYTES + this.#count * ROW_BYTES);
    const frame = this.#bytes.subarray(missing, this.#end);
    writeHeader(frame, this.#count, this.first);
    return frame;
  }
}
