import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  encodeBundle,
  generateSigner,
  leafHash,
  parseNote,
  signNote,
  TreeDamaged,
  TreeFile,
  TreeForked,
  verifyInclusion,
} from '@nva/transparency';
import { newFolder } from './folders.ts';
import { checkpointOf, entriesOf, entryOf, grow, LOG_ID, noteOf, NOW_SECONDS, ORIGIN, positionAt, rootOf } from './support.ts';

const log = generateSigner(ORIGIN);
const open = (folder: string): TreeFile => TreeFile.open({ folder, origin: ORIGIN, logId: LOG_ID, isSynced: false });
const made = (...sizes: number[]): string => {
  const folder = newFolder();
  const tree = open(folder);
  for (const size of sizes) grow(tree, size, [log]);
  return folder;
};
const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(join(folder, name)).isFile());

describe('the tree on disk', () => {
  it('goes on from every size, and proves every leaf', () => {
    const folder = newFolder();
    for (const size of [0, 1, 255, 256, 257, 511, 512, 900]) {
      grow(open(folder), size, [log]);
      const tree = open(folder);
      expect(tree.root()).toEqual(rootOf(entriesOf(size)));
      for (const index of [0, 255, 256, size - 1].filter((i) => i >= 0 && i < size)) {
        expect(tree.entry(index)).toEqual(entryOf(index));
        verifyInclusion(tree.root(), size, index, leafHash(entryOf(index)), tree.inclusionProof(index));
      }
      tree.check();
    }
  });

  it('has private files, and removes partial tiles that became full', () => {
    const folder = made(100, 200, 300);
    for (const name of filesIn(folder)) expect(statSync(join(folder, name)).mode & 0o777, name).toBe(0o600);
    expect(filesIn(folder).toSorted()).toEqual(
      ['checkpoint', 'tile/0/000', 'tile/0/001.p/44', 'tile/1/000.p/1', 'tile/entries/000', 'tile/entries/001.p/44'].toSorted(),
    );
    const tree = open(folder);
    expect(tree.read('tile/0/000.p/100')).toEqual(tree.read('tile/0/000')!.subarray(0, 3_200));
    expect(tree.read('tile/0/001.p/7')).toEqual(tree.read('tile/0/001.p/44')!.subarray(0, 224));
    expect(tree.read('tile/entries/001.p/7')).toEqual(encodeBundle(entriesOf(263).slice(256)));
    for (const none of ['tile/0/001', 'tile/0/002', 'checkpoint', 'tile/../checkpoint', 'tile/0/001.p/45'])
      expect(tree.read(none), none).toBeNull();
  });

  it('takes what it has again, and refuses what does not continue it, unchanged', () => {
    const folder = made(300);
    const tree = open(folder);
    for (let i = 0; i < 300; i++) tree.append(i, entryOf(i));
    expect(() => tree.append(17, entryOf(17, 'another'))).toThrow(
      expect.objectContaining({ name: 'TreeForked', index: 17, position: positionAt(17) }),
    );
    expect(() => tree.append(301, entryOf(301))).toThrow(expect.objectContaining({ name: 'TreeForked', index: 300 }));
    expect(() => tree.commit(noteOf(299, tree.rootAt(299), [log]))).toThrow(TreeForked);
    expect(() => tree.commit(noteOf(300, tree.rootAt(299), [log]))).toThrow(TreeForked);
    expect(() => tree.expectContinues(checkpointOf(200, tree.rootAt(199)))).toThrow(expect.objectContaining({ index: 200 }));
    tree.expectContinues(checkpointOf(200, tree.rootAt(200)));
    expect(() => tree.expectContinues(checkpointOf(301, tree.root()))).toThrow(TreeForked);
    expect(() => TreeFile.open({ folder, origin: 'another', logId: LOG_ID })).toThrow(TreeForked);
    expect(tree.root()).toEqual(rootOf(entriesOf(300)));
    tree.commit(signNote(parseNote(tree.note!), [generateSigner('admin-2').asCosigner()], NOW_SECONDS));
    expect(parseNote(open(folder).note!).signatures.length).toBe(2);
  });

  it('finds every file that is missing or has another bit, and is built anew as a continuation of what it said', () => {
    const clean = made(700);
    for (const name of filesIn(clean).filter((file) => file.startsWith('tile/'))) {
      for (const isRemoved of [true, false]) {
        const folder = made(700);
        const bytes = readFileSync(join(folder, name));
        bytes[bytes.length - 1]! ^= 1;
        if (isRemoved) rmSync(join(folder, name));
        else writeFileSync(join(folder, name), bytes);
        expect(() => open(folder).check(), name).toThrow(TreeDamaged);
        const { tree, former } = TreeFile.rebuild({ folder, origin: ORIGIN, logId: LOG_ID, isSynced: false });
        for (const [i, entry] of entriesOf(700).entries()) tree.append(i, entry);
        tree.commit(former!);
        open(folder).check();
      }
    }
  });

  it('resumes after SIGKILL at any moment', async () => {
    const folder = newFolder();
    for (let round = 0; round < 4; round++) {
      const child = spawn(process.execPath, ['--conditions=source', join(import.meta.dirname, 'killed-writer.ts'), folder, log.secret()], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      await new Promise((resolve) => setTimeout(resolve, 37 * round));
      child.kill('SIGKILL');
      await once(child, 'exit');
      const tree = open(folder);
      expect(tree.size).toBeGreaterThan(0);
      expect(tree.root()).toEqual(rootOf(entriesOf(tree.size)));
      tree.check();
    }
  });
});
