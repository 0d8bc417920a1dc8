import {
  createSnapshotCodecs,
  type Attachment,
  type EntryCodec,
  type SnapshotAttachment,
  type SnapshotConnection,
  type SnapshotHeader,
  type SnapshotKey,
  type SnapshotNve,
  type SnapshotTenantSystem,
  type SnapshotTrailer,
  type SnapshotVn,
} from '@nva/codec';
import {
  FeedDigests,
  NetworkRestorer,
  RULES,
  type FoldedBinding,
  type CurrentDigest,
  type FoldRules,
  type Network,
  type VnSnapshot,
} from '@nva/fold';
import { readBlocks, type Block } from './block-reader.ts';
import { KINDS } from './format.ts';
import { SnapshotUnusable } from './unusable.ts';

/** The state that a process continues from. */
export interface Restored {
  readonly header: SnapshotHeader;
  readonly network: Network;
  readonly digests: FeedDigests;
  /** In order of arrival; empty unless the header says that keys are included. */
  readonly keys: readonly SnapshotKey[];
}

export interface RestoreOptions {
  /** Why the snapshot is not of this log, or null if it is. Called before anything else is read. */
  readonly refuse: (header: SnapshotHeader) => Promise<string | null>;
  /** RULES except in tests. */
  readonly versions?: readonly FoldRules[];
}

const NONE: readonly never[] = Object.freeze([]);

/** Reads a whole snapshot. Throws SnapshotUnusable, or what the file system throws; then nothing of it may be used. */
export async function restoreFile(path: string, { refuse, versions = RULES }: RestoreOptions): Promise<Restored> {
  const codecs = createSnapshotCodecs();
  const blocks = readBlocks(path, codecs.fingerprint);
  try {
    const { value: first } = await blocks.next();
    if (first?.kind !== KINDS.header) throw new SnapshotUnusable('it does not begin with a header');
    const [header] = decoded(codecs.header, first);
    if (header!.rulesVersion > versions.length)
      throw new SnapshotUnusable(`it was folded by version ${header!.rulesVersion} of the rules, this program has ${versions.length}`);
    const refusal = await refuse(header!);
    if (refusal !== null) throw new SnapshotUnusable(refusal);
    const filling = new Filling(header!, versions);
    for await (const block of blocks) {
      if (filling.complete) throw new SnapshotUnusable('something follows its trailer');
      filling.take(block);
    }
    return filling.finish();
  } catch (error) {
    if (error instanceof SnapshotUnusable || (error as NodeJS.ErrnoException).syscall !== undefined) throw error;
    throw new SnapshotUnusable(`its entries make no network: ${(error as Error).message}`, { cause: error });
  } finally {
    await blocks.return();
  }
}

/** Reads only the header of a snapshot. Throws as `restoreFile` does. */
export async function readHeader(path: string): Promise<SnapshotHeader> {
  const codecs = createSnapshotCodecs();
  const blocks = readBlocks(path, codecs.fingerprint);
  try {
    const { value: first } = await blocks.next();
    if (first?.kind !== KINDS.header) throw new SnapshotUnusable('it does not begin with a header');
    return decoded(codecs.header, first)[0]!;
  } finally {
    await blocks.return();
  }
}

function decoded<T>(codec: EntryCodec<T>, block: Block): T[] {
  const entries: T[] = [];
  eachEntry(codec, block, (entry) => entries.push(entry));
  return entries;
}

function eachEntry<T>(codec: EntryCodec<T>, { entries, count }: Block, visit: (entry: T) => void): void {
  let at = 0;
  for (let i = 0; i < count; i++) {
    const { value, offset } = codec.decode(entries, at);
    at = offset;
    visit(value);
  }
  if (at !== entries.length) throw new SnapshotUnusable('a block holds more than its entries');
}

/**
 * Nearly every list has one item: making an array for it takes a fifth of the time of growing one, which matters for a million
 * lists.
 */
const exactly = <T, U>(list: readonly T[], make: (item: T) => U): U[] => (list.length === 1 ? [make(list[0]!)] : list.map(make));

/** Builds the state from the file's entries as they come. */
class Filling {
  readonly #codecs = createSnapshotCodecs();
  readonly #header: SnapshotHeader;
  readonly #restorer: NetworkRestorer;
  readonly #nveIds: string[] = [];
  readonly #names: string[] = [];
  readonly #digests: CurrentDigest[] = [];
  readonly #keys: SnapshotKey[] = [];
  readonly #counts = { oracles: 0, nves: 0, vns: 0, names: 0, tenantSystems: 0, digests: 0, keys: 0 };
  #trailer: SnapshotTrailer | null = null;

  constructor(header: SnapshotHeader, versions: readonly FoldRules[]) {
    this.#header = header;
    this.#restorer = new NetworkRestorer(
      { foldVersion: header.rulesVersion, foldRevision: header.rulesRevision, position: header.position, time: header },
      versions,
    );
  }

  get complete(): boolean {
    return this.#trailer !== null;
  }

  take(block: Block): void {
    switch (block.kind) {
      case KINDS.oracles:
        this.#counts.oracles += block.count;
        return eachEntry(this.#codecs.oracle, block, ({ group, ...oracle }) => this.#restorer.oracle([group, { ...oracle }]));
      case KINDS.nves:
        this.#counts.nves += block.count;
        return eachEntry(this.#codecs.nve, block, (nve) => this.#nve(nve));
      case KINDS.vns:
        this.#counts.vns += block.count;
        return eachEntry(this.#codecs.vn, block, (vn) => this.#restorer.vn(this.#vnOf(vn)));
      case KINDS.names:
        this.#counts.names += block.count;
        return void this.#names.push(...decoded(this.#codecs.name, block));
      case KINDS.tenantSystems:
        this.#counts.tenantSystems += block.count;
        return eachEntry(this.#codecs.tenantSystem, block, (ts) => this.#tenantSystem(ts));
      case KINDS.digests:
        this.#counts.digests += block.count;
        return eachEntry(this.#codecs.digest, block, (digest) => this.#digests.push(digest));
      case KINDS.keys:
        this.#counts.keys += block.count;
        return eachEntry(this.#codecs.key, block, (key) => this.#keys.push(key));
      case KINDS.trailer:
        this.#trailer = decoded(this.#codecs.trailer, block)[0]!;
        return;
      default:
        throw new SnapshotUnusable(`it has a block of kind ${block.kind}`);
    }
  }

  finish(): Restored {
    if (!this.#trailer) throw new SnapshotUnusable('it is cut short: there is no trailer');
    for (const [kind, count] of Object.entries(this.#counts)) {
      const due = this.#trailer[kind as keyof SnapshotTrailer];
      if (count !== due) throw new SnapshotUnusable(`it holds ${count} ${kind}, its trailer says ${due}`);
    }
    return { header: this.#header, network: this.#restorer.finish(), digests: FeedDigests.restored(this.#digests), keys: this.#keys };
  }

  #nve({ nveId, state, revision, position }: SnapshotNve): void {
    this.#nveIds.push(nveId);
    this.#restorer.nve({ nveId, state: state && { ...state, nveId }, revision, position });
  }

  #vnOf({
    members,
    contestedMacs,
    contestedIps,
    revision,
    position,
    incarnation,
    contextPosition,
    deletedAtMs,
    policies,
    ...rest
  }: SnapshotVn): VnSnapshot {
    return {
      state: { ...rest, policies: { ...policies } },
      revision,
      position,
      incarnation,
      contextPosition,
      deletedAtMs,
      members: members.map(({ nve, since, position: at }) => ({ nveId: this.#nveIds[nve]!, since, position: at })),
      contestedMacs: contestedMacs.map(({ address, tsIds }) => [address, tsIds]),
      contestedIps: contestedIps.map(({ address, tsIds }) => [address, tsIds]),
    };
  }

  readonly #binding = (binding: SnapshotConnection): FoldedBinding => this.#restorer.binding(binding, binding.position);
  readonly #place = ({ nve, logicalInterface, state }: SnapshotAttachment): Attachment => ({
    nveId: this.#nveIds[nve]!,
    logicalInterface,
    state,
  });

  /** Straight from the entry to the fold's own objects: for a million entries, every intermediate object costs noticeable time. */
  #tenantSystem({
    tsId,
    name,
    tenant,
    vmId,
    mac,
    attachments,
    bindings,
    failures,
    mobility,
    moves,
    place,
    awaits,
    revision,
    position,
  }: SnapshotTenantSystem): void {
    const state = {
      tsId,
      tenantId: this.#names[tenant]!,
      vmId,
      mac,
      attachments: exactly(attachments, this.#place),
      bindings: exactly(bindings, this.#binding),
      failures: failures.length === 0 ? NONE : failures.map(({ nveId, vnid }) => ({ nveId, vnid })),
      mobility,
      moves: moves.length === 0 ? NONE : moves,
      place,
      awaits: awaits && { ...awaits },
    };
    this.#restorer.tenantSystem({ state, revision, position }, name);
  }
}
