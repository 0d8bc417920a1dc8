import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseCheckpoint, type Checkpoint } from './checkpoint.ts';
import { Malformed, OutOfTree, ProofRefused, TreeDamaged, TreeForked } from './errors.ts';
import { decodeLeaf } from './leaf.ts';
import { parseNote } from './note.ts';
import { makeFolder, readIfThere, syncFile, syncFolder, syncSoon, writeAtomically, writeAtomicallySoon } from './private-file.ts';
import {
  decodeBundle,
  encodeBundle,
  hashesOfTiles,
  hashIn,
  MAX_ENTRY_BYTES,
  parseTilePath,
  TILE_HEIGHT,
  TILE_WIDTH,
  tilePath,
  tilesBetween,
  tileWidth,
  type TileId,
} from './tiles.ts';
import {
  assertSize,
  consistencyProof,
  Frontier,
  HASH_BYTES,
  inclusionProof,
  leafHash,
  rootAt,
  sameHash,
  verifyConsistency,
  verifyInclusion,
  type Hashes,
} from './tree.ts';

export const CHECKPOINT_FILE = 'checkpoint';
/** So many files are written before they are synced, whether or not there is a checkpoint. */
const MAX_UNSYNCED = 1_024;
const MAX_CACHED = 8;

export interface TreeFileOptions {
  readonly folder: string;
  /** First line of the checkpoints, and the log that they name: a tree of another is refused. */
  readonly origin: string;
  readonly logId: string;
  /** False in tests and benchmarks that lose no power. */
  readonly isSynced?: boolean;
}

/**
 * The tree of a log in files below a folder, as tlog-tiles has them, so that the folder can be served as it is. One process writes it.
 *
 * `append` writes a tile when it is full; the right edge (at most 255 hashes of each tile level, and 255 entries) is kept in memory.
 * `commit` writes the right edge as partial tiles, syncs everything, and then puts the signed checkpoint in place: what a checkpoint
 * names is on the disk before it. A crash leaves the last checkpoint and, perhaps, tiles beyond it, which are written again. Partial
 * tiles are removed when a checkpoint names the full one.
 *
 * Everything but the checkpoint can be made from the log. The checkpoint is what this process has said to others, so it is kept when
 * the rest is damaged: the tree that is built anew must continue it (`rebuild`).
 */
export class TreeFile {
  readonly #folder: string;
  readonly #options: TreeFileOptions;
  readonly #isSynced: boolean;
  #note: string | null = null;
  #checkpoint: Checkpoint | null = null;
  #frontier = new Frontier();
  /** The hashes of the partial tile of each level, and the entries of the partial bundle. */
  #edge: Buffer[][] = [];
  #entries: Buffer[] = [];
  readonly #unsynced = new Set<string>();
  /** Why nothing can be appended any more: the files and what is in memory may differ. */
  #failure: unknown = null;
  /** Files that were read last, since the leaves of a tile are mostly read one after the other. */
  readonly #cached = new Map<string, Buffer>();

  private constructor(options: TreeFileOptions) {
    this.#options = options;
    this.#folder = options.folder;
    this.#isSynced = options.isSynced ?? true;
  }

  /**
   * Opens the tree at its last checkpoint, or an empty one. Throws TreeDamaged where the right edge does not give the checkpoint's
   * root, and TreeForked where the checkpoint is of another log. Tiles left of the edge are checked when they are used, and all by `check`.
   */
  static open(options: TreeFileOptions): TreeFile {
    const tree = new TreeFile(options);
    makeFolder(options.folder);
    const note = readIfThere(join(options.folder, CHECKPOINT_FILE))?.toString('utf8');
    if (note === undefined) return tree;
    const checkpoint = tree.#parse(note);
    tree.#resume(checkpoint);
    tree.#note = note;
    tree.#checkpoint = checkpoint;
    return tree;
  }

  /** The note of the last checkpoint in a folder; null where there is none. Throws Malformed where it is none. */
  static noteIn(folder: string): string | null {
    const note = readIfThere(join(folder, CHECKPOINT_FILE))?.toString('utf8') ?? null;
    if (note !== null) parseCheckpoint(parseNote(note).text);
    return note;
  }

  /**
   * Removes every tile of a damaged tree, and gives an empty one and the note that it must come to continue: append the log, ask
   * `expectContinues` with the note's checkpoint, and commit. The checkpoint stays until that commit replaces it.
   */
  static rebuild(options: TreeFileOptions): { readonly tree: TreeFile; readonly former: string | null } {
    const tree = new TreeFile(options);
    makeFolder(options.folder);
    const former = readIfThere(join(options.folder, CHECKPOINT_FILE))?.toString('utf8') ?? null;
    rmSync(join(options.folder, 'tile'), { recursive: true, force: true });
    return { tree, former };
  }

  /** Leaves, with those after the last checkpoint. */
  get size(): number {
    return this.#frontier.size;
  }

  /** The last note that was committed, and what it says; null before the first. */
  get note(): string | null {
    return this.#note;
  }

  get checkpoint(): Checkpoint | null {
    return this.#checkpoint;
  }

  root(): Buffer {
    return this.#frontier.root();
  }

  /** The nodes of the tree as it is now. */
  get hashes(): Hashes {
    return hashesOfTiles((tile) => this.#tile(tile), this.size);
  }

  /** Throws OutOfTree beyond the tree. */
  rootAt(size: number): Buffer {
    if (size > this.size) throw new OutOfTree(`the tree has ${this.size} leaves, and not ${size}`);
    return this.#guarded(() => rootAt(this.hashes, size));
  }

  /**
   * Appends the entry of leaf `index`. One that is in the tree already must be the same, and changes nothing; so a log may be given
   * again from any place before the end. Throws TreeForked where it is another, or leaves are missing before it.
   */
  append(index: number, entry: Uint8Array): void {
    if (this.#failure !== null) throw new TreeDamaged('a tile could not be written; open the tree again', null, { cause: this.#failure });
    assertSize(index, 'index');
    if (entry.length > MAX_ENTRY_BYTES) throw new Malformed(`an entry has ${entry.length} bytes; ${MAX_ENTRY_BYTES} are the most`);
    const leaf = leafHash(entry);
    if (index > this.size)
      throw new TreeForked(`leaf ${index} does not follow: the tree has ${this.size} leaves`, this.size, positionOf(entry));
    if (index < this.size) {
      if (sameHash(this.#leafHash(index), leaf)) return;
      throw new TreeForked(`leaf ${index} is another than the tree has`, index, positionOf(entry));
    }
    try {
      this.#take(leaf, Buffer.from(entry));
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  /** Throws TreeForked unless this tree begins with the checkpoint's, or is it. */
  expectContinues(checkpoint: Checkpoint): void {
    const { origin, logId, size, root, position } = checkpoint;
    if (origin !== this.#options.origin || logId !== this.#options.logId)
      throw new TreeForked(`the checkpoint is of the log ${logId} (${origin}), not of ${this.#options.logId} (${this.#options.origin})`, 0);
    if (size > this.size)
      throw new TreeForked(`the checkpoint has ${size} leaves, and the tree ends after ${this.size}`, this.size, position);
    if (!sameHash(this.rootAt(size), root))
      throw new TreeForked(`the first ${size} leaves are others than the checkpoint's`, size, position);
    const last = size === 0 ? 0 : decodeLeaf(this.entry(size - 1)).position;
    if (last !== position)
      throw new TreeForked(`leaf ${size - 1} has position ${last}, and the checkpoint says ${position}`, size - 1, last);
  }

  /**
   * Makes the tree durable up to here and the note its checkpoint. The note must name this very tree; more signatures may be put below
   * the same checkpoint later. Throws Malformed and TreeForked, and changes nothing then.
   */
  commit(note: string): void {
    const checkpoint = this.#writeEdge(note);
    this.#sync();
    writeAtomically(join(this.#folder, CHECKPOINT_FILE), Buffer.from(note), this.#isSynced);
    this.#committed(note, checkpoint);
  }

  /**
   * As `commit`, without making the thread wait for the disk. Nothing is appended or committed until it resolves; what is read is of the
   * former checkpoint until then. After a failure nothing is taken any more: open the tree again.
   */
  async commitSoon(note: string): Promise<void> {
    const checkpoint = this.#writeEdge(note);
    try {
      await this.flush();
      await this.#writeCheckpoint(note);
    } catch (error) {
      this.#failure = error;
      throw error;
    }
    this.#committed(note, checkpoint);
  }

  /**
   * Puts more signatures below the last checkpoint: the note has its text. Nothing is committed meanwhile. Throws Malformed where the
   * text is another, and changes nothing then.
   */
  async cosign(note: string): Promise<void> {
    if (this.#note === null || parseNote(note).text !== parseNote(this.#note).text)
      throw new Malformed('the note is of another checkpoint');
    await this.#writeCheckpoint(note);
    this.#note = note;
  }

  /** Files that are written and not synced. */
  get unsynced(): number {
    return this.#unsynced.size;
  }

  /** Syncs what was written, without making the thread wait. */
  async flush(): Promise<void> {
    const files = [...this.#unsynced];
    this.#unsynced.clear();
    if (!this.#isSynced) return;
    try {
      for (const path of files) await syncSoon(path);
      for (const folder of this.#foldersOf(files)) await syncSoon(folder);
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  /** Writes the partial tiles of a tree that the note names. */
  #writeEdge(note: string): Checkpoint {
    if (this.#failure !== null) throw new TreeDamaged('a tile could not be written; open the tree again', null, { cause: this.#failure });
    const checkpoint = this.#parse(note);
    if (checkpoint.size !== this.size) throw new TreeForked(`the note has ${checkpoint.size} leaves, and the tree ${this.size}`, this.size);
    this.expectContinues(checkpoint);
    for (const tile of tilesBetween(this.#checkpoint?.size ?? 0, this.size)) {
      if (tile.width === TILE_WIDTH) continue;
      this.#write(tile, tile.level === 'entries' ? encodeBundle(this.#entries) : Buffer.concat(this.#edge[tile.level]!));
    }
    return checkpoint;
  }

  async #writeCheckpoint(note: string): Promise<void> {
    const path = join(this.#folder, CHECKPOINT_FILE);
    if (this.#isSynced) await writeAtomicallySoon(path, Buffer.from(note));
    else writeAtomically(path, Buffer.from(note), false);
  }

  #committed(note: string, checkpoint: Checkpoint): void {
    const from = this.#checkpoint?.size ?? 0;
    this.#note = note;
    this.#checkpoint = checkpoint;
    for (const tile of tilesBetween(from, this.size)) {
      if (tile.width === TILE_WIDTH) rmSync(join(this.#folder, `${tilePath(tile)}.p`), { recursive: true, force: true });
    }
  }

  /** Throws OutOfTree beyond the tree, and TreeDamaged where the entry is not the leaf. */
  entry(index: number): Buffer {
    const leaf = this.#leafHash(index);
    const entry = this.#bundle(Math.floor(index / TILE_WIDTH), index)[index % TILE_WIDTH]!;
    if (!sameHash(leafHash(entry), leaf)) throw new TreeDamaged(`the entry of leaf ${index} is not what its tile says`, index);
    return entry;
  }

  /** Proofs are checked before they are given: what is damaged is found here, and not by whoever asked. */
  inclusionProof(index: number, size = this.size): Buffer[] {
    const root = this.rootAt(size);
    const proof = this.#guarded(() => inclusionProof(this.hashes, index, size));
    this.#guarded(() => verifyInclusion(root, size, index, this.#leafHash(index), proof), index);
    return proof;
  }

  consistencyProof(older: number, newer = this.size): Buffer[] {
    const [was, is] = [this.rootAt(older), this.rootAt(newer)];
    const proof = this.#guarded(() => consistencyProof(this.hashes, older, newer));
    this.#guarded(() => verifyConsistency({ size: older, root: was }, { size: newer, root: is }, proof));
    return proof;
  }

  /**
   * The bytes of a tile or bundle by its path, for whoever serves them; null where the path is none or the last checkpoint has no such
   * tile. A partial tile that is not there, since it was removed or no checkpoint had this width, is the beginning of the wider one.
   */
  read(path: string): Buffer | null {
    const tile = parseTilePath(path);
    if (tile === null || !this.has(tile)) return null;
    const bytes = readIfThere(join(this.#folder, path));
    const widest = { ...tile, width: tileWidth(tile.level, tile.index, this.#checkpoint!.size) };
    if (bytes !== null || tile.width === widest.width) return bytes;
    const wider = readIfThere(join(this.#folder, tilePath(widest)));
    if (wider === null) return null;
    return tile.level === 'entries'
      ? encodeBundle(decodeBundle(wider, widest.width).slice(0, tile.width))
      : wider.subarray(0, tile.width * HASH_BYTES);
  }

  /** Whether the tree of the last checkpoint has this tile, or had it when it was smaller. */
  has({ level, index, width }: TileId): boolean {
    return width <= tileWidth(level, index, this.#checkpoint?.size ?? 0);
  }

  /**
   * Reads every file of the last checkpoint's tree, hashes every entry anew, and throws TreeDamaged with the first leaf that is not what
   * its tile says, or where the tiles do not give the root.
   */
  check(): void {
    const size = this.#checkpoint?.size ?? 0;
    this.#cached.clear();
    const frontier = new Frontier();
    const above: Buffer[] = [];
    const hold = (level: number, index: number, node: Buffer): void => {
      if (level === 0 || level % TILE_HEIGHT !== 0) return;
      const width = tileWidth(level / TILE_HEIGHT, Math.floor(index / TILE_WIDTH), size);
      const kept = this.#tile({ level: level / TILE_HEIGHT, index: Math.floor(index / TILE_WIDTH), width });
      if (!sameHash(hashIn(kept, index % TILE_WIDTH), node)) above.push(node);
    };
    for (let index = 0; index < size; index++) {
      const entry = this.#bundle(Math.floor(index / TILE_WIDTH), index)[index % TILE_WIDTH]!;
      const leaf = leafHash(entry);
      if (!sameHash(leaf, this.#leafHash(index))) throw new TreeDamaged(`the entry of leaf ${index} is not what its tile says`, index);
      frontier.append(leaf, hold);
      if (above.length > 0) throw new TreeDamaged(`the tile above leaf ${index} is not of the leaves below it`, index);
    }
    if (this.#checkpoint && !sameHash(frontier.root(), this.#checkpoint.root))
      throw new TreeDamaged(`the ${size} leaves have the root ${frontier.root().toString('base64')}, and not the checkpoint's`);
  }

  #parse(note: string): Checkpoint {
    const checkpoint = parseCheckpoint(parseNote(note).text);
    const { origin, logId } = this.#options;
    if (checkpoint.origin !== origin || checkpoint.logId !== logId)
      throw new TreeForked(`the checkpoint is of the log ${checkpoint.logId} (${checkpoint.origin}), not of ${logId} (${origin})`, 0);
    return checkpoint;
  }

  #resume({ size, root }: Checkpoint): void {
    const edge: Buffer[][] = [];
    for (let level = 0; size >= TILE_WIDTH ** level; level++) {
      const index = Math.floor(Math.floor(size / TILE_WIDTH ** level) / TILE_WIDTH);
      const width = tileWidth(level, index, size);
      if (width === 0) {
        edge.push([]);
        continue;
      }
      const bytes = this.#file({ level, index, width });
      edge.push(Array.from({ length: width }, (_, i) => Buffer.from(hashIn(bytes, i))));
    }
    this.#edge = edge;
    this.#frontier = this.#guarded(() =>
      Frontier.of(
        hashesOfTiles((tile) => this.#tile(tile, size), size),
        size,
      ),
    );
    if (!sameHash(this.#frontier.root(), root)) throw new TreeDamaged(`the tiles of ${size} leaves do not give the checkpoint's root`);
    const width = size % TILE_WIDTH;
    if (width === 0) return;
    const first = size - width;
    const bundle = this.#file({ level: 'entries', index: first / TILE_WIDTH, width });
    this.#entries = this.#guarded(() => decodeBundle(bundle, width), first).map((entry) => Buffer.from(entry));
    const wrong = this.#entries.findIndex((entry, i) => !sameHash(leafHash(entry), edge[0]![i]!));
    if (wrong >= 0) throw new TreeDamaged(`the entry of leaf ${first + wrong} is not what its tile says`, first + wrong);
  }

  #take(leaf: Buffer, entry: Buffer): void {
    const index = Math.floor(this.size / TILE_WIDTH);
    this.#entries.push(entry);
    if (this.#entries.length === TILE_WIDTH) {
      this.#write({ level: 'entries', index, width: TILE_WIDTH }, encodeBundle(this.#entries));
      this.#entries = [];
    }
    this.#frontier.append(leaf, (level, at, node) => {
      if (level % TILE_HEIGHT !== 0) return;
      const tileLevel = level / TILE_HEIGHT;
      const hashes = (this.#edge[tileLevel] ??= []);
      hashes.push(node);
      if (hashes.length < TILE_WIDTH) return;
      this.#write({ level: tileLevel, index: Math.floor(at / TILE_WIDTH), width: TILE_WIDTH }, Buffer.concat(hashes));
      this.#edge[tileLevel] = [];
    });
    if (this.#unsynced.size >= MAX_UNSYNCED) this.#sync();
  }

  #write(tile: TileId, bytes: Buffer): void {
    const path = join(this.#folder, tilePath(tile));
    makeFolder(dirname(path));
    writeAtomically(path, bytes, false);
    this.#cached.delete(tilePath(tile));
    this.#unsynced.add(path);
  }

  /** The files, then the folders that name them, from the deepest up. */
  #sync(): void {
    if (this.#isSynced) {
      for (const path of this.#unsynced) syncFile(path);
      for (const folder of this.#foldersOf(this.#unsynced)) syncFolder(folder);
    }
    this.#unsynced.clear();
  }

  #foldersOf(files: Iterable<string>): readonly string[] {
    const folders = new Set<string>();
    for (const path of files)
      for (let folder = dirname(path); folder.length >= this.#folder.length; folder = dirname(folder)) folders.add(folder);
    return [...folders].toSorted((one, other) => other.length - one.length);
  }

  #leafHash(index: number): Uint8Array {
    const tile = Math.floor(index / TILE_WIDTH);
    const width = tileWidth(0, tile, this.size);
    assertSize(index, 'index');
    if (index >= this.size) throw new OutOfTree(`leaf ${index} is not in a tree of ${this.size} leaves`);
    return hashIn(this.#tile({ level: 0, index: tile, width }), index % TILE_WIDTH);
  }

  /** A tile of this tree: its right edge is in memory. */
  #tile(tile: TileId, size = this.size): Buffer {
    const edge = tile.level === 'entries' ? undefined : this.#edge[tile.level];
    const isEdge = tile.width < TILE_WIDTH && tile.width === tileWidth(tile.level, tile.index, size);
    return isEdge && edge ? Buffer.concat(edge) : this.#file(tile);
  }

  #bundle(index: number, leaf: number): readonly Buffer[] {
    const width = tileWidth('entries', index, this.size);
    if (width < TILE_WIDTH) return this.#entries;
    const tile: TileId = { level: 'entries', index, width };
    const bytes = this.#file(tile);
    return this.#guarded(() => decodeBundle(bytes, width), leaf);
  }

  /** A file that must be there. */
  #file(tile: TileId): Buffer {
    const path = tilePath(tile);
    const cached = this.#cached.get(path);
    if (cached) return cached;
    const bytes = readIfThere(join(this.#folder, path));
    const first = tile.index * TILE_WIDTH ** (tile.level === 'entries' ? 1 : tile.level + 1);
    if (bytes === null) throw new TreeDamaged(`${path} is missing`, first);
    if (tile.level !== 'entries' && bytes.length !== tile.width * HASH_BYTES)
      throw new TreeDamaged(`${path} has ${bytes.length} bytes instead of ${tile.width * HASH_BYTES}`, first);
    if (this.#cached.size === MAX_CACHED) this.#cached.delete(this.#cached.keys().next().value!);
    this.#cached.set(path, bytes);
    return bytes;
  }

  /** What is malformed in these files, or proves nothing, is damage. */
  #guarded<T>(read: () => T, index: number | null = null): T {
    try {
      return read();
    } catch (error) {
      if (error instanceof Malformed || error instanceof ProofRefused)
        throw new TreeDamaged(`the tree's files are damaged: ${error.message}`, index, { cause: error });
      throw error;
    }
  }
}

function positionOf(entry: Uint8Array): number | null {
  try {
    return decodeLeaf(entry).position;
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}
