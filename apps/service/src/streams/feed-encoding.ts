import type { FeedValue } from '@nva/codec';
import type { Piece } from '@nva/in-process-feed';
import type { Clock, FeedRecord } from '@nva/ports';

/**
 * Maximum bytes of encoded pieces kept for all streams together; a VN of 100,000 mappings is about 25 MiB. The least recently
 * used pieces are dropped first.
 */
export const MAX_ENCODED_BYTES = 64 * 1_024 * 1_024;
/** A piece that was not used for this time is dropped. */
const IDLE_MS = 30_000;

interface Encoded {
  readonly bytes: Buffer;
  usedMs: number;
}

/**
 * Pieces of feeds as Server-Sent Events (libs/nve/README.md, «The protocol»). Each piece is encoded once for all its consumers,
 * within a bound of bytes.
 */
export class FeedEncoding {
  readonly #log: string;
  readonly #clock: Clock;
  readonly #maxBytes: number;
  /** In the order of their last use. */
  readonly #encoded = new Map<Piece, Encoded>();
  #bytes = 0;
  readonly counters = { records: 0, pieces: 0 };

  constructor(log: string, clock: Clock, maxBytes = MAX_ENCODED_BYTES) {
    this.#log = log;
    this.#clock = clock;
    this.#maxBytes = maxBytes;
  }

  /** Bytes that are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  hello(mode: 'snapshot' | 'resume'): Buffer {
    return Buffer.from(`event: hello\ndata: ${JSON.stringify({ log: this.#log, mode })}\n\n`);
  }

  of(piece: Piece): Buffer {
    if (piece.kind === 'complete') return Buffer.from(`event: snapshot-complete\nid: ${this.#log}/${piece.position}\ndata: {}\n\n`);
    const known = this.#encoded.get(piece);
    const bytes = known?.bytes ?? this.#encode(piece.records, piece.kind === 'changes');
    this.#encoded.delete(piece);
    this.#encoded.set(piece, { bytes, usedMs: this.#clock.monotonicMs() });
    if (!known) this.#bytes += bytes.length;
    for (const [
      oldest,
      {
        bytes: { length },
      },
    ] of this.#encoded) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#drop(oldest, length);
    }
    return bytes;
  }

  /** Drops pieces that were not used recently. Called from time to time. */
  sweep(): void {
    const before = this.#clock.monotonicMs() - IDLE_MS;
    for (const [piece, { bytes, usedMs }] of this.#encoded) {
      if (usedMs > before) return;
      this.#drop(piece, bytes.length);
    }
  }

  #drop(piece: Piece, length: number): void {
    this.#encoded.delete(piece);
    this.#bytes -= length;
  }

  #encode(records: readonly FeedRecord[], live: boolean): Buffer {
    let text = '';
    for (const record of records) if (live || record.value !== null) text += this.#event(record, live);
    this.counters.records += records.length;
    this.counters.pieces++;
    return Buffer.from(text);
  }

  /**
   * Only the last record of a change has an id, and no record within a snapshot has one: a consumer cannot resume in the middle
   * of either.
   */
  #event({ key, value, position, changeEnd, eventType, correlationId, recordedAt }: FeedRecord, resumable: boolean): string {
    const data = JSON.stringify({ key, value: value && jsonOf(value), position: String(position), eventType, correlationId, recordedAt });
    return resumable && changeEnd ? `id: ${this.#log}/${position}\ndata: ${data}\n\n` : `data: ${data}\n\n`;
  }
}

/** The fields of the Avro record; positions are decimal strings, as everywhere in JSON. */
const jsonOf = (value: FeedValue): object =>
  value.type === 'Membership' ? { ...value.data, since: String(value.data.since) } : value.data;
