import { TableDigest } from '@nva/codec';
import type { Position } from '@nva/ports';

/**
 * Keys that may wait to be recounted, whatever the size of the table. If more keys than this and than the table's size have
 * changed, the next read counts the whole table.
 */
const MIN_STALE_KEYS = 1024;

interface Positioned {
  readonly position: Position;
}

/**
 * The digest of a table (contract, «Digest of a VN»), computed when somebody asks and not with every record. Two SHA-256 a record
 * would be most of the work of reading a large VN, and a key that changes ten times between two heartbeats is counted once.
 *
 * The first read counts the whole table in one pass. Later reads cost one or two terms for each key that changed since the read
 * before, and memory for those keys only.
 */
export class LazyDigest {
  /** null until the first read. */
  #digest: TableDigest | null = null;
  /** Keys that changed since the last read, with the position that the digest counts them with; null if it does not. */
  readonly #stale = new Map<string, Position | null>();

  /** `key` is about to change; `before` is its position in the table of `size` live keys, null if it is not live. */
  touch(key: string, before: Position | null, size: number): void {
    if (this.#digest === null || this.#stale.has(key)) return;
    this.#stale.set(key, before);
    if (this.#stale.size > Math.max(size, MIN_STALE_KEYS)) this.#forget();
  }

  /** 16 hex digits for the live keys as they now are. */
  read(live: ReadonlyMap<string, Positioned>): string {
    const digest = this.#digest ?? countAll(live);
    for (const [key, counted] of this.#stale) {
      const now = live.get(key)?.position ?? null;
      if (now !== null && now !== counted) digest.set(key, now, counted);
      else if (now === null && counted !== null) digest.remove(key, counted);
    }
    this.#stale.clear();
    this.#digest = digest;
    return digest.toString();
  }

  #forget(): void {
    this.#digest = null;
    this.#stale.clear();
  }
}

function countAll(live: ReadonlyMap<string, Positioned>): TableDigest {
  const digest = new TableDigest();
  for (const [key, { position }] of live) digest.set(key, position, null);
  return digest;
}
