import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  createSnapshotCodecs,
  type EntryCodec,
  type SnapshotHeader,
  type SnapshotKey,
  type SnapshotTenantSystem,
  type SnapshotTrailer,
  type SnapshotVn,
} from '@nva/codec';
import type { CurrentDigest, NetworkCapture, TenantSystemSnapshot, VnSnapshot } from '@nva/fold';
import type { Clock } from '@nva/ports';
import { HEAD_BYTES, KINDS, MAX_BLOCK_BYTES, MAX_BLOCK_ENTRIES, preamble, sealBlock, startCrc, type Kind } from './format.ts';

/** A slice ends after this time, whatever is left: the rest of the process waits for a slice and one step at most. */
const SLICE_MS = 2;
/** Steps of the capture between two reads of the clock. */
const STEPS = 32;
/** A block is written when it has this size. */
const BLOCK_BYTES = 128 * 1024;
/** Bytes after which the file is synced: the event log's own commits wait for whatever one sync has to write. */
const SYNC_BYTES = 8 * 1024 * 1024;

/** The contents of a snapshot, all as they stood at one position. */
export interface SnapshotContents {
  readonly header: SnapshotHeader;
  readonly capture: NetworkCapture;
  readonly digests: readonly CurrentDigest[];
  readonly keys: Iterable<SnapshotKey>;
}

export interface Written {
  readonly bytes: number;
  readonly tenantSystems: number;
  /** The longest time for which it blocked the event loop. */
  readonly longestSliceMs: number;
}

const PRIVATE_FILE = 0o600;

/**
 * Writes a snapshot to a file beside its place, and renames it when it is completely on the disk. Works in slices between turns
 * of the event loop. Throws what the file system throws, or the signal's reason; then no file is left, and the capture has ended.
 */
export async function writeFile(path: string, contents: SnapshotContents, clock: Clock, signal: AbortSignal): Promise<Written> {
  const unfinished = `${path}.unfinished`;
  try {
    const file = await open(unfinished, 'w', PRIVATE_FILE);
    let written: Written;
    try {
      written = await new SnapshotWriter(file, contents, clock, signal).write();
      await file.sync();
    } finally {
      await file.close();
    }
    signal.throwIfAborted();
    await rename(unfinished, path);
    await syncDirectory(dirname(path));
    return written;
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  } finally {
    contents.capture.end();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

class SnapshotWriter {
  readonly #codecs = createSnapshotCodecs();
  readonly #file: FileHandle;
  readonly #contents: SnapshotContents;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #nves: ReadonlyMap<string, number>;
  readonly #names = new Map<string, number>();
  #newNames: string[] = [];
  readonly #counts = { oracles: 0, nves: 0, vns: 0, names: 0, tenantSystems: 0, digests: 0, keys: 0 };
  #block = Buffer.allocUnsafeSlow(2 * BLOCK_BYTES);
  #crc = 0;
  #bytes = 0;
  #unsynced = 0;
  #longestSliceMs = 0;

  constructor(file: FileHandle, contents: SnapshotContents, clock: Clock, signal: AbortSignal) {
    this.#file = file;
    this.#contents = contents;
    this.#clock = clock;
    this.#signal = signal;
    this.#nves = new Map(contents.capture.nves.map(({ nveId }, i) => [nveId, i]));
  }

  async write(): Promise<Written> {
    const { header, capture, digests, keys } = this.#contents;
    const { fingerprint, ...codecs } = this.#codecs;
    const start = preamble(fingerprint);
    this.#crc = startCrc(start);
    await this.#put(start);
    await this.#entries(KINDS.header, codecs.header, inSlices([header]));
    this.#counts.oracles = await this.#entries(
      KINDS.oracles,
      codecs.oracle,
      inSlices(capture.oracles.map(([group, oracle]) => ({ group, ...oracle }))),
    );
    this.#counts.nves = await this.#entries(KINDS.nves, codecs.nve, inSlices(capture.nves));
    this.#counts.digests = await this.#entries(KINDS.digests, codecs.digest, inSlices(digests));
    this.#counts.keys = await this.#entries(KINDS.keys, codecs.key, inSlices(keys));
    this.#counts.vns = await this.#entries(KINDS.vns, codecs.vn, () => capture.vns(STEPS)?.map((vn) => this.#vn(vn)) ?? null);
    this.#counts.tenantSystems = await this.#entries(
      KINDS.tenantSystems,
      codecs.tenantSystem,
      () => capture.tenantSystems(STEPS)?.map((ts) => this.#tenantSystem(ts)) ?? null,
    );
    await this.#entries(KINDS.trailer, codecs.trailer, inSlices<SnapshotTrailer>([this.#counts]));
    return { bytes: this.#bytes, tenantSystems: this.#counts.tenantSystems, longestSliceMs: this.#longestSliceMs };
  }

  /** Writes one block per slice. `next` gives some entries, possibly none, and null at the end. Returns the number of entries. */
  async #entries<T>(kind: Kind, codec: EntryCodec<T>, next: () => readonly T[] | null): Promise<number> {
    let total = 0;
    for (let ended = false; !ended;) {
      this.#signal.throwIfAborted();
      const from = this.#clock.monotonicMs();
      let end = HEAD_BYTES;
      let count = 0;
      let now = from;
      while (end < BLOCK_BYTES && count < MAX_BLOCK_ENTRIES - STEPS && now - from < SLICE_MS) {
        const entries = next();
        if (entries === null) {
          ended = true;
          break;
        }
        for (const entry of entries) end = this.#encode(codec, entry, end);
        count += entries.length;
        now = this.#clock.monotonicMs();
      }
      total += count;
      const block = count === 0 ? null : this.#seal(kind, count, end);
      this.#longestSliceMs = Math.max(this.#longestSliceMs, this.#clock.monotonicMs() - from);
      // The block is written later than the names that its entries refer to.
      if (block) await this.#put(block);
      await this.#clock.turn();
    }
    return total;
  }

  #encode<T>(codec: EntryCodec<T>, entry: T, at: number): number {
    for (;;) {
      const end = codec.encodeInto(entry, this.#block, at);
      if (end >= 0) return end;
      if (at - end > MAX_BLOCK_BYTES) throw new Error(`an entry of a snapshot is longer than ${MAX_BLOCK_BYTES} bytes`);
      const larger = Buffer.allocUnsafeSlow(2 * (this.#block.length - end));
      this.#block.copy(larger, 0, 0, at);
      this.#block = larger;
    }
  }

  /** The finished block, preceded by a block of the names that it is the first to use. */
  #seal(kind: Kind, count: number, end: number): Buffer {
    const names = this.#sealNames();
    this.#crc = sealBlock(this.#block, kind, count, end - HEAD_BYTES, this.#crc);
    const block = this.#block.subarray(0, end);
    return names ? Buffer.concat([names, block]) : block;
  }

  #sealNames(): Buffer | null {
    if (this.#newNames.length === 0) return null;
    let bytes = Buffer.alloc(HEAD_BYTES);
    for (const name of this.#newNames) {
      const entry = Buffer.alloc(Buffer.byteLength(name) + 10);
      bytes = Buffer.concat([bytes, entry.subarray(0, this.#codecs.name.encodeInto(name, entry, 0))]);
    }
    this.#crc = sealBlock(bytes, KINDS.names, this.#newNames.length, bytes.length - HEAD_BYTES, this.#crc);
    this.#counts.names += this.#newNames.length;
    this.#newNames = [];
    return bytes;
  }

  async #put(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length;) at += (await this.#file.write(bytes, at)).bytesWritten;
    this.#bytes += bytes.length;
    this.#unsynced += bytes.length;
    if (this.#unsynced < SYNC_BYTES) return;
    this.#unsynced = 0;
    await this.#file.datasync();
  }

  #vn({ state, members, contestedMacs, contestedIps, ...rest }: VnSnapshot): SnapshotVn {
    return {
      ...state,
      ...rest,
      members: members.map(({ nveId, since, position }) => ({ nve: this.#nves.get(nveId)!, since, position })),
      contestedMacs: contestedMacs.map(([address, tsIds]) => ({ address, tsIds })),
      contestedIps: contestedIps.map(([address, tsIds]) => ({ address, tsIds })),
    };
  }

  #tenantSystem({ name, state, positions, revision, position }: TenantSystemSnapshot): SnapshotTenantSystem {
    const { tsId, tenantId, vmId, mac, attachments, bindings, failures, mobility, moves, place, awaits } = state;
    return {
      tsId,
      name,
      tenant: this.#name(tenantId),
      vmId,
      mac,
      attachments: attachments.map(({ nveId, logicalInterface, state: phase }) => ({
        nve: this.#nves.get(nveId)!,
        logicalInterface,
        state: phase,
      })),
      bindings: bindings.map(({ bid, vnid, vlan, ip, lifetimeS }, i) => ({ bid, vnid, vlan, ip, lifetimeS, position: positions[i]! })),
      failures,
      mobility,
      moves,
      place,
      awaits,
      revision,
      position,
    };
  }

  #name(name: string): number {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    const place = this.#names.size;
    this.#names.set(name, place);
    this.#newNames.push(name);
    return place;
  }
}

function inSlices<T>(all: Iterable<T>): () => readonly T[] | null {
  const iterator = all[Symbol.iterator]();
  return () => {
    const slice: T[] = [];
    while (slice.length < STEPS) {
      const { value, done } = iterator.next();
      if (done) break;
      slice.push(value);
    }
    return slice.length === 0 ? null : slice;
  };
}
