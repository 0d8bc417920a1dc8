import { mkdirSync, writeFileSync } from 'node:fs';
import { hash } from 'node:crypto';
import { join } from 'node:path';
import type { Seeded } from '../src/testing/index.ts';
import type { Operation } from './write-recording.ts';

/** Disks write whole sectors. */
const SECTOR_BYTES = 512;

type Change = Extract<Operation, { kind: 'write' | 'truncate' }>;

interface Inode {
  /** Content that a sync has made durable. */
  durable: Buffer;
  /** Changes since. */
  pending: Change[];
}

export interface DiskState {
  readonly name: string;
  readonly files: ReadonlyMap<string, Buffer>;
  /** Tells states apart. */
  readonly digest: string;
}

/**
 * A directory as a disk would hold it, on which recorded operations are played. At any point it tells what a loss of power may
 * leave: all that was synced, and of the rest everything, nothing, or any part.
 */
export class CrashedDisk {
  #entries = new Map<string, Inode>();
  #durableEntries = new Map<string, Inode>();

  /** With files that were on it before, durable. */
  constructor(files: ReadonlyMap<string, Buffer> = new Map()) {
    for (const [name, durable] of files) this.#entries.set(name, { durable, pending: [] });
    this.#durableEntries = new Map(this.#entries);
  }

  apply(operation: Operation): void {
    switch (operation.kind) {
      case 'create':
        if (!this.#entries.has(operation.file)) this.#entries.set(operation.file, { durable: Buffer.alloc(0), pending: [] });
        break;
      case 'unlink':
        this.#entries.delete(operation.file);
        break;
      case 'rename':
        this.#entries.set(operation.to, this.#entries.get(operation.file)!);
        this.#entries.delete(operation.file);
        break;
      case 'write':
      case 'truncate':
        this.#entries.get(operation.file)!.pending.push(operation);
        break;
      case 'sync': {
        const inode = this.#entries.get(operation.file)!;
        inode.durable = inode.pending.reduce(changed, inode.durable);
        inode.pending = [];
        break;
      }
      case 'sync-directory':
        this.#durableEntries = new Map(this.#entries);
        break;
      case 'said':
    }
  }

  /** Everything written; nothing but what was synced; and one mixture of the two, torn sectors included. */
  states(random: Seeded): DiskState[] {
    const all = (inode: Inode): Buffer => inode.pending.reduce(changed, inode.durable);
    const some = (inode: Inode): Buffer =>
      inode.pending
        .filter(() => random.below(2) === 0)
        .map((change) => torn(change, random))
        .reduce(changed, inode.durable);
    return [
      stateOf('everything written', this.#entries, all),
      stateOf('only what was synced', this.#durableEntries, ({ durable }) => durable),
      stateOf('a part of what was not synced', random.below(2) === 0 ? this.#entries : this.#durableEntries, some),
    ];
  }
}

export function layOut(state: DiskState, directory: string): void {
  mkdirSync(directory, { recursive: true });
  for (const [file, content] of state.files) writeFileSync(join(directory, file), content);
}

/** The lock is the process's, and the index is memory: neither is there after a loss of power. */
const isLost = (file: string): boolean => file.startsWith('log.lock') || file.endsWith('-shm');

function stateOf(name: string, entries: ReadonlyMap<string, Inode>, content: (inode: Inode) => Buffer): DiskState {
  const files = new Map([...entries].filter(([file]) => !isLost(file)).map(([file, inode]) => [file, content(inode)]));
  const digest = hash(
    'sha256',
    [...files]
      .map(([file, bytes]) => `${file}:${hash('sha256', bytes)}`)
      .toSorted()
      .join(),
  );
  return { name, files, digest };
}

function changed(content: Buffer, change: Change): Buffer {
  if (change.kind === 'truncate')
    return change.length <= content.length ? content.subarray(0, change.length) : Buffer.concat([content], change.length);
  const result = Buffer.concat([content], Math.max(content.length, change.offset + change.bytes.length));
  change.bytes.copy(result, change.offset);
  return result;
}

function torn(change: Change, random: Seeded): Change {
  if (change.kind === 'truncate' || random.below(3) > 0) return change;
  return { ...change, bytes: change.bytes.subarray(0, random.below(Math.ceil(change.bytes.length / SECTOR_BYTES)) * SECTOR_BYTES) };
}
