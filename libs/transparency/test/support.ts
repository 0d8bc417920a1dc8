import {
  encodeLeaf,
  formatCheckpoint,
  Frontier,
  leafHash,
  signNote,
  tablesRoot,
  type Checkpoint,
  type Signer,
  type TreeFile,
} from '@nva/transparency';

export const ORIGIN = 'nva.example/log';
export const LOG_ID = '0195f2a0-0000-7000-8000-000000000001';
export const NOW_SECONDS = 1_700_000_000;

/** Event number `i` of a log in which positions have gaps and five streams take turns. */
export const entryOf = (i: number, text = `event ${i}`): Buffer =>
  encodeLeaf({
    position: positionAt(i),
    stream: `ts-${i % 5}`,
    revision: Math.floor(i / 5),
    id: `0195f2a0-0000-7000-8000-${i.toString(16).padStart(12, '0')}`,
    event: Buffer.from(text),
  });
export const positionAt = (i: number): number => 3 * i + 1;

export const entriesOf = (count: number): Buffer[] => Array.from({ length: count }, (_, i) => entryOf(i));

export function rootOf(entries: readonly Buffer[]): Buffer {
  const tree = new Frontier();
  for (const entry of entries) tree.append(leafHash(entry));
  return tree.root();
}

export const checkpointOf = (size: number, root: Buffer): Checkpoint => ({
  origin: ORIGIN,
  size,
  root,
  logId: LOG_ID,
  position: size === 0 ? 0 : positionAt(size - 1),
  tables: tablesRoot([{ vnid: 7, digest: '0123456789abcdef' }]),
});

export const noteOf = (size: number, root: Buffer, signers: readonly Signer[]): string =>
  signNote(formatCheckpoint(checkpointOf(size, root)), signers, NOW_SECONDS);

export function grow(tree: TreeFile, to: number, signers: readonly Signer[]): void {
  for (let i = tree.size; i < to; i++) tree.append(i, entryOf(i));
  tree.commit(noteOf(to, tree.root(), signers));
}
