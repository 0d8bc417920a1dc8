import { HASH_BYTES, hashesAt, TILE_WIDTH, tilePath, tileWidth, type TileId } from '@nva/transparency';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NvaClient } from '../api/client.ts';
import { EXIT, Failure, wrongUsage } from '../exit-codes.ts';
import type { Session } from '../session.ts';

/** Gives the bytes of a tile, as somebody has it. */
export type Tiles = (path: string) => Promise<Buffer>;

/** Tiles in a folder, or at a URL such as https://nva.example/v1/tlog. The token goes to the server in use and to no other. */
export function tilesOf(session: Session, place: string): Tiles {
  if (!/^https?:\/\//.test(place)) return (path) => inFolder(place, path);
  if (!URL.canParse(place)) throw wrongUsage(`--tlog is a folder or a URL, got ${JSON.stringify(place)}`);
  const { origin, pathname } = new URL(place);
  const isServer = new URL(session.client.server).origin === origin;
  const client = isServer ? session.client : new NvaClient({ server: origin, token: null, timeoutMs: session.timeoutMs }, session.io);
  return (path) => wholeOf(client, `${pathname.replace(/\/$/, '')}/${path}`);
}

/** A tile of hashes, whole. */
export async function wholeOf(client: NvaClient, path: string): Promise<Buffer> {
  let bytes = Buffer.alloc(0);
  for await (const piece of client.bytes(path)) {
    bytes = Buffer.concat([bytes, piece]);
    if (bytes.length > TILE_WIDTH * HASH_BYTES)
      throw new Failure(EXIT.unreachable, `${client.server} does not answer as an NVA: ${path} is longer than a tile`);
  }
  return bytes;
}

async function inFolder(folder: string, path: string): Promise<Buffer> {
  try {
    return await readFile(join(folder, path));
  } catch (cause) {
    throw wrongUsage(`${join(folder, path)} cannot be read: ${(cause as Error).message}`, cause);
  }
}

/** The tiles of level 0 of a tree. */
export function* leafTiles(size: number): Generator<TileId> {
  for (let index = 0; index * TILE_WIDTH < hashesAt(0, size); index++) yield { level: 0, index, width: tileWidth(0, index, size) };
}

/** The hashes of the leaves, from the first on, as the tiles have them. */
export async function* leafHashes(tiles: Tiles, size: number): AsyncGenerator<Uint8Array, void> {
  for (const tile of leafTiles(size)) {
    const path = tilePath(tile);
    const bytes = await tiles(path);
    if (bytes.length !== tile.width * HASH_BYTES)
      throw new Failure(EXIT.refused, `${path} has ${bytes.length} bytes instead of ${tile.width * HASH_BYTES}`);
    for (let i = 0; i < tile.width; i++) yield bytes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES);
  }
}
