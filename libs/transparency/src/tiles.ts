import { Malformed, OutOfTree } from './errors.ts';
import { assertSize, HASH_BYTES, nodeHash, type Hashes } from './tree.ts';

/**
 * C2SP tlog-tiles: the tree in files that never change once they are full.
 *
 *     tile/<L>/<N>[.p/<W>]        hashes of level 8 * L, from N * 256 on: 256 of them, or W in a partial tile
 *     tile/entries/<N>[.p/<W>]    the entries of the leaves from N * 256 on, each: length u16 big-endian | entry
 *
 * N is written in groups of three digits, all but the last with an x before it: 1234067 is x001/x234/067. A tile needs no levels in
 * between: they are computed from its hashes.
 */
export const TILE_HEIGHT = 8;
export const TILE_WIDTH = 256;
/** What a length of 16 bits can say. A leaf whose event is longer holds the event's SHA-256 in its place: see `leaf.ts`. */
export const MAX_ENTRY_BYTES = 65_535;
/** 256 ^ 7 is beyond any size that is a safe integer. */
export const MAX_TILE_LEVEL = 6;
const LENGTH_BYTES = 2;
const GROUP = 1_000;

export interface TileId {
  readonly level: number | 'entries';
  readonly index: number;
  /** Hashes or entries in it: 256 in a full one. */
  readonly width: number;
}

const group = (value: number): string => String(value % GROUP).padStart(3, '0');

function indexPath(index: number): string {
  let path = group(index);
  for (let rest = Math.floor(index / GROUP); rest > 0; rest = Math.floor(rest / GROUP)) path = `x${group(rest)}/${path}`;
  return path;
}

export function tilePath({ level, index, width }: TileId): string {
  assertSize(index, 'tile');
  return `tile/${level}/${indexPath(index)}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

const PATH = /^tile\/(entries|\d)\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/** Null where it is no path of a tile, or not in its only spelling: what it returns names one file and nothing outside the tree. */
export function parseTilePath(path: string): TileId | null {
  const [, level, digits, width] = PATH.exec(path) ?? [];
  if (level === undefined || digits === undefined) return null;
  const tile: TileId = {
    level: level === 'entries' ? level : Number(level),
    index: Number(digits.replaceAll(/[x/]/g, '')),
    width: width === undefined ? TILE_WIDTH : Number(width),
  };
  const isKnown = Number.isSafeInteger(tile.index) && (tile.level === 'entries' || tile.level <= MAX_TILE_LEVEL);
  return isKnown && tilePath(tile) === path ? tile : null;
}

/** Number of hashes of a tile level in a tree of `size` leaves. */
export const hashesAt = (level: number, size: number): number => Math.floor(size / TILE_WIDTH ** level);

/** Width of a tile in a tree of `size` leaves; 0 if the tree does not have it. */
export function tileWidth(level: number | 'entries', index: number, size: number): number {
  const count = hashesAt(level === 'entries' ? 0 : level, size);
  return Math.max(0, Math.min(TILE_WIDTH, count - index * TILE_WIDTH));
}

/** Every tile that a tree of `to` leaves has and a tree of `from` leaves does not: those it completes, then the partial ones. */
export function* tilesBetween(from: number, to: number): Generator<TileId> {
  for (let level = 0; level <= MAX_TILE_LEVEL && hashesAt(level, to) > 0; level++) {
    const first = Math.floor(hashesAt(level, from) / TILE_WIDTH);
    const count = hashesAt(level, to);
    for (let index = first; index * TILE_WIDTH < count; index++) {
      const width = tileWidth(level, index, to);
      if (width === tileWidth(level, index, from)) continue;
      yield { level, index, width };
      if (level === 0) yield { level: 'entries', index, width };
    }
  }
}

/** The hash of number `index` in a tile. */
export function hashIn(tile: Uint8Array, index: number): Uint8Array {
  const at = index * HASH_BYTES;
  if (at + HASH_BYTES > tile.length) throw new Malformed(`the tile has ${tile.length} bytes and no hash number ${index}`);
  return tile.subarray(at, at + HASH_BYTES);
}

function subtree(tile: Uint8Array, from: number, count: number): Uint8Array {
  if (count === 1) return hashIn(tile, from);
  return nodeHash(subtree(tile, from, count / 2), subtree(tile, from + count / 2, count / 2));
}

/** The nodes of a tree of `size` leaves, from its tiles. `read` gives the bytes of a tile of the width that it has in that tree. */
export function hashesOfTiles(read: (tile: TileId) => Uint8Array, size: number): Hashes {
  return {
    at(level, index) {
      const tileLevel = Math.floor(level / TILE_HEIGHT);
      const count = 2 ** (level % TILE_HEIGHT);
      const first = index * count;
      const tile = Math.floor(first / TILE_WIDTH);
      const width = tileWidth(tileLevel, tile, size);
      const from = first - tile * TILE_WIDTH;
      if (from + count > width) throw new OutOfTree(`node ${index} of level ${level} is not complete in a tree of ${size} leaves`);
      const bytes = read({ level: tileLevel, index: tile, width });
      if (bytes.length !== width * HASH_BYTES)
        throw new Malformed(
          `${tilePath({ level: tileLevel, index: tile, width })} has ${bytes.length} bytes instead of ${width * HASH_BYTES}`,
        );
      return subtree(bytes, from, count);
    },
  };
}

export function encodeBundle(entries: readonly Uint8Array[]): Buffer {
  if (entries.length === 0 || entries.length > TILE_WIDTH) throw new Malformed(`${entries.length} entries are no bundle`);
  const bundle = Buffer.alloc(entries.reduce((sum, entry) => sum + LENGTH_BYTES + entry.length, 0));
  let at = 0;
  for (const entry of entries) {
    if (entry.length > MAX_ENTRY_BYTES) throw new Malformed(`an entry has ${entry.length} bytes; ${MAX_ENTRY_BYTES} are the most`);
    at = bundle.writeUInt16BE(entry.length, at);
    bundle.set(entry, at);
    at += entry.length;
  }
  return bundle;
}

/** Throws Malformed unless the bytes are exactly `width` entries. */
export function decodeBundle(bytes: Uint8Array, width: number): Buffer[] {
  const bundle = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: Buffer[] = [];
  let at = 0;
  while (entries.length < width) {
    const from = at + LENGTH_BYTES;
    const to = from <= bundle.length ? from + bundle.readUInt16BE(at) : from;
    if (to > bundle.length) throw new Malformed(`the bundle ends within entry ${entries.length} of ${width}`);
    entries.push(bundle.subarray(from, to));
    at = to;
  }
  if (at !== bundle.length) throw new Malformed(`${bundle.length - at} bytes follow the ${width} entries of the bundle`);
  return entries;
}
