import { createEventCodec, type Archive } from '@nva/codec';
import type { Network } from '@nva/fold';
import type { Clock, Position } from '@nva/ports';
import { Player } from '@nva/replay';
import { encodeLeaf, tablesRoot, type Leaf, type VnDigest } from '@nva/transparency';

/** An event that was asked for, where it stands. */
export interface FoundEvent {
  readonly position: string;
  readonly index: number;
  readonly stream: string;
  readonly id: string;
  readonly type: string;
  readonly actor: string;
  readonly recordedAt: string;
}

interface Noted {
  readonly leaf: Leaf;
  readonly index: number;
  readonly bytes: Uint8Array;
}

/** The entries of the leaves of an export. It decodes nothing: what is not proven yet may be anything. */
export class Entries {
  readonly #archive: Archive;
  readonly #wanted: ReadonlySet<Position>;
  readonly #each: (position: Position) => void;
  readonly #noted = new Map<Position, Noted>();
  /** Of the last event that was read. */
  position: Position = 0;

  constructor(archive: Archive, wanted: ReadonlySet<Position>, each: (position: Position) => void) {
    this.#archive = archive;
    this.#wanted = wanted;
    this.#each = each;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    let index = 0;
    for await (const batch of this.#archive.events) {
      for (const { position, stream, revision, id, bytes } of batch) {
        const leaf = { position, stream, revision, id };
        this.position = position;
        if (this.#wanted.has(position)) this.#noted.set(position, { leaf, index, bytes });
        yield encodeLeaf({ ...leaf, event: bytes });
        index++;
      }
      this.#each(batch.at(-1)!.position);
    }
  }

  /** A wanted event, which was proven by now; null where there is none. */
  event(position: Position): FoundEvent | null {
    const noted = this.#noted.get(position);
    if (!noted) return null;
    const { leaf, index, bytes } = noted;
    const codec = createEventCodec();
    for (const schema of this.#archive.header.schemas) codec.learn(schema);
    const { type, data } = codec.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    const { actor, recordedAt } = data.audit;
    const { stream, id } = leaf;
    return { position: String(position), index, stream, id, type, actor, recordedAt: new Date(recordedAt).toISOString() };
  }
}

/** The tables that the log makes. */
export interface Made {
  readonly network: Network;
  readonly tables: readonly VnDigest[];
  readonly root: Buffer;
}

/** Folds the events of an export up to a position, which was proven before. */
export async function tablesAt(archive: Archive, to: Position, clock: Clock, each: (position: Position) => void): Promise<Made> {
  const player = new Player(archive, { to, clock });
  for await (const batch of player.play()) each(batch.at(-1)!.position);
  const { network, digests } = player;
  const tables = [...network.vns.values()]
    .filter(({ alive }) => alive)
    .map(({ state: { vnid } }) => ({ vnid, digest: digests.current(`vn/${vnid}`).digest }));
  return { network, tables, root: tablesRoot(tables) };
}
